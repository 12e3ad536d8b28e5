"""Parts of multipart forms: split anywhere they are the same, and whatever comes is read or refused for a reason."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pagi.messages.bad_body import BadBody
from pagi.messages.form_limits import DEFAULT_LIMITS, BadForm, FormLimits, TooManyParts
from pagi.messages.multipart_parts import End, Part, PartHeadTooLarge, PartReader, PartTooLarge
from tests.messages.naive_multipart import Written, write

B = "xYzZY"


def read(*chunks: bytes, boundary: str = B, limits: FormLimits = DEFAULT_LIMITS) -> list[tuple[Part, bytes]]:
    reader = PartReader(boundary, limits)
    found: list[tuple[Part, bytes]] = []
    part: Part | None = None
    data = b""
    for chunk in chunks:
        for piece in reader.feed(chunk):
            if isinstance(piece, Part):
                part, data = piece, b""
            elif isinstance(piece, End):
                assert part is not None
                found.append((part, data))
            else:
                assert piece
                data += piece
    reader.finish()
    return found


def one(head: bytes) -> Part:
    ((part, _),) = read(b"--xYzZY\r\n" + head + b"\r\n\r\nv\r\n--xYzZY--")
    return part


def test_a_field_and_a_file_are_told_apart_by_the_file_name() -> None:
    field, file, unnamed = read(
        write([("a", None, None, b"1"), ("b", "x.txt", "Text/Plain; charset=utf-8", b"2\r\n"), ("c", "", None, b"")])
    )
    assert (field[0].name, field[0].is_file, field[0].content_type, field[1]) == ("a", False, "text/plain", b"1")
    assert (file[0].filename, file[0].content_type, file[1]) == ("x.txt", "text/plain", b"2\r\n")
    assert file[0].headers["content-type"] == "Text/Plain; charset=utf-8"
    assert (unnamed[0].filename, unnamed[0].is_file, unnamed[0].content_type) == ("", True, "application/octet-stream")


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        (b'form-data; name="a"', "a", None),
        (b"form-data; name=a; filename=b.txt", "a", "b.txt"),
        (b'FORM-DATA;name="a";filename="b c"', "a", "b c"),
        (b'form-data; filename="b"; name="a"', "a", "b"),
        (b'form-data; name="a%22b%0D%0A"; filename="%22"', 'a"b\r\n', '"'),
        (b'form-data; name="a"; filename="b\\"c"', "a", 'b"c'),
        (b'form-data; name="a"; filename="C:\\temp\\b.txt"', "a", "b.txt"),
        ('form-data; name="é"; filename="日本.txt"'.encode(), "é", "日本.txt"),
        (b'form-data; name="a"; filename="x; name=b"', "a", "x; name=b"),
        (b'form-data; name="a"; filename="=?utf-8?B?w6k=?="; filename*=utf-8\'\'%C3%A9', "a", "=?utf-8?B?w6k=?="),
        (b'form-data; name=""', "", None),
    ],
)
def test_names_are_read_as_clients_write_them(disposition: bytes, name: str, filename: str | None) -> None:
    part = one(b"Content-Disposition: " + disposition)
    assert (part.name, part.filename) == (name, filename)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "breaks off"),
        (b"--xYzZY", "breaks off"),
        (b"--xYzZY\r\n", "breaks off"),
        (b'--xYzZY\r\nContent-Disposition: form-data; name="a"\r\n\r\nv', "breaks off"),
        (b'--xYzZY\r\nContent-Disposition: form-data; name="a"\r\n\r\nv\r\n--xYzZY', "breaks off"),
        (b"preamble\r\n--xYzZY--", "does not start"),
        (b"a=1", "does not start"),
        (b"\n--xYzZY--", "does not start"),
        (b"--xYzZY \r\n", "after first boundary"),
        (b"--xYzZY\n\n", "line break"),
        (b"--xYzZY\r\n\r\nv\r\n--xYzZY--", "issing Content-Disposition"),
        (b'--xYzZY\r\nContent-Disposition: attachment; name="a"\r\n\r\nv\r\n--xYzZY--', "Wrong type"),
        (b"--xYzZY\r\nContent-Disposition: form-data\r\n\r\nv\r\n--xYzZY--", "has no name"),
        (b'--xYzZY\r\nContent-Disposition: form-data; name="a\r\n\r\nv\r\n--xYzZY--', "cannot be read"),
        (b"--xYzZY\r\nno colon\r\n\r\nv\r\n--xYzZY--", "header"),
        (b"--xYzZY\r\nContent-Disposition: form-data; name=\xff\r\n\r\nv\r\n--xYzZY--", "decode"),
        (b'--xYzZY\r\nContent-Disposition: form-data; name="a"; name="b"\r\n\r\nv\r\n--xYzZY--', "'name' twice"),
        (b'--xYzZY\r\nContent-Disposition: form-data; name="a"; filename=x; FileName=y\r\n\r\nv\r\n--xYzZY--', "'filename' twice"),
        (b"--xYzZY\r\nContent-Disposition: form-data; name=\"a\"; filename*=utf-8''x\r\n\r\nv\r\n--xYzZY--", r"filename\* alone"),
        (b"--xYzZY\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\nv\r\n--xYzZY--", "two"),
        (b"--xYzZY\r\nContent-Disposition: form-data; name=a\r\nContent-Length: 2\r\n\r\nv\r\n--xYzZY--", "Content-Length"),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(BadForm, match=reason) as caught:
        read(body)
    assert caught.value.status == 400


@pytest.mark.parametrize("boundary", ["", "a\nb", "a ", "é", "x" * 71, "a\x00"])
def test_what_can_be_no_boundary_is_refused(boundary: str) -> None:
    with pytest.raises(BadForm, match="1 to 70 visible"):
        PartReader(boundary)


@pytest.mark.parametrize("boundary", ["-", "----WebKitFormBoundaryAbc123", "a b'()+_,-./:=?", "x" * 70])
def test_any_boundary_of_the_standard_will_do(boundary: str) -> None:
    assert read(write([("a", None, None, b"1")], boundary), boundary=boundary)[0][1] == b"1"


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64", 415, "encoded as 'base64'"),
        (b"Content-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset=latin-1", 415, "send UTF-8"),
    ],
)
def test_what_would_be_mistaken_is_refused(head: bytes, status: int, reason: str) -> None:
    with pytest.raises(BadBody, match=reason) as caught:
        one(head)
    assert caught.value.status == status


def test_a_charset_of_a_file_and_a_type_that_is_none_are_the_applications_business() -> None:
    assert (
        one(b"Content-Disposition: form-data; name=a; filename=b\r\nContent-Type: text/plain; charset=latin-1").content_type == "text/plain"
    )
    assert one(b"Content-Disposition: form-data; name=a; filename=b\r\nContent-Type: nonsense").content_type == "application/octet-stream"
    assert one(b"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: 8bit").name == "a"


@pytest.mark.parametrize(
    ("parts", "limits", "error"),
    [
        ([("a", None, None, b"")] * 3, {"max_fields": 2}, TooManyParts),
        ([("a", "f", None, b"")] * 3, {"max_files": 2}, TooManyParts),
        ([("a", None, None, b"123")], {"max_field_bytes": 2}, PartTooLarge),
        ([("a", "f", None, b"123")], {"max_file_bytes": 2}, PartTooLarge),
        ([("a", "f" * 100, None, b"")], {"max_part_header_bytes": 100}, PartHeadTooLarge),
    ],
)
def test_each_limit_has_its_error_and_413(parts: list[Written], limits: dict[str, int], error: type[BadBody]) -> None:
    body = write(parts)
    for chunks in ([body], [body[index : index + 1] for index in range(len(body))]):
        with pytest.raises(error) as caught:
            read(*chunks, limits=FormLimits(**limits))
        assert caught.value.status == 413
    (name, limit), *_ = limits.items()
    read(body, limits=FormLimits(**{name: limit * 2}))


def test_limits_of_fields_are_not_those_of_files() -> None:
    parts: list[Written] = [("a", "f", None, b"12345"), ("b", None, None, b"12")]
    assert len(read(write(parts), limits=FormLimits(max_field_bytes=2, max_fields=1, max_files=1))) == 2


def test_endless_headers_are_refused_before_they_end() -> None:
    for head in (b"A" * 20_000, b"".join(b"X-%d: y\r\n" % index for index in range(20))):
        reader = PartReader(B)
        with pytest.raises(PartHeadTooLarge):
            list(reader.feed(b"--xYzZY\r\n" + head))


@pytest.mark.parametrize("end", [b"--", b"--\r\n", b"--\r\nepilogue", b"-- \r\n"])
def test_what_stands_behind_the_last_boundary_is_of_no_interest(end: bytes) -> None:
    body = write([("a", None, None, b"1")], end=end)
    assert [data for _, data in read(body)] == [b"1"]
    assert [data for _, data in read(*(bytes([byte]) for byte in body))] == [b"1"]


names = st.text(st.characters(codec="utf-8", exclude_characters="\\%", exclude_categories=["Cc"]), max_size=8)
data = st.one_of(st.binary(max_size=60), st.sampled_from([b"\r\n", b"\r\n--xYzZ", b"--xYzZY", b"\r\n--xYzZ\r\n", b"\r", b"\r\n-"]))
kinds = st.sampled_from([None, "text/plain", "image/png"])
parts = st.lists(st.tuples(names, st.one_of(st.none(), names), kinds, data), max_size=5)


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    return [body[start:end] for start, end in itertools.pairwise(edges)]


@given(parts, st.lists(st.integers(0, 2000), max_size=12), st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_was_written_is_read_back_however_it_is_split(written: list[Written], cuts: list[int], byte_by_byte: bool) -> None:
    body = write(written)
    chunks = [body[index : index + 1] for index in range(len(body))] if byte_by_byte else pieces(body, cuts)
    found = read(*chunks)
    assert [(part.name, part.filename, content) for part, content in found] == [(name, file, content) for name, file, _, content in written]


SHARDS = [
    *(b"--xYzZY", b"\r\n", b"--", b"\n", b"; filename=", b'"', b"\\", b"\xff", b"\0", b" x", b"Content-Type: ", b"text/plain; charset="),
    *(b'Content-Disposition: form-data; name="a"', b"Content-Disposition: form-data; name=b; filename*=x", b"Content-Length: 1"),
]
HOSTILE = st.lists(
    st.one_of(st.sampled_from(SHARDS), st.binary(max_size=6)),
    max_size=24,
).map(b"".join)


@given(HOSTILE, st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=600, deadline=None)
@example(b'--xYzZY\r\nContent-Disposition: form-data; name="a"\r\nContent-Length: ' + b"9" * 5000 + b"\r\n\r\n", [])
def test_whatever_comes_is_read_or_refused_the_same_however_it_is_split(body: bytes, cuts: list[int]) -> None:
    outcomes: list[object] = []
    for start in (b"", b"--xYzZY\r\n"):
        for chunks in ([start + body], pieces(start + body, cuts)):
            try:
                outcomes.append(read(*chunks))
            except BadBody as error:
                outcomes.append((type(error), error.status))
        whole, split = outcomes[-2:]
        assert whole == split
