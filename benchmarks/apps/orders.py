"""The order of the validation workload: 1 KB of JSON with a list of structs in it, and the types that check it."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class Item(msgspec.Struct):
    """One line of an order."""

    sku: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    title: Name
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    price: Annotated[float, msgspec.Meta(ge=0)]
    gift: bool


class Order(msgspec.Struct):
    """What is sent, validated and sent back."""

    id: int
    customer: Name
    note: str | None
    items: Annotated[list[Item], msgspec.Meta(min_length=1, max_length=100)]


ORDER = Order(
    id=4711,
    customer="Ada Lovelace",
    note="Please leave it with the neighbours if nobody answers, and ring twice: "
    "the bell is as old as the gears that it once turned, and quite as silent.",
    items=[
        Item(
            sku=f"SKU-{1000 + number}",
            title=f"Brass gear with {10 + number} teeth, polished",
            quantity=1 + number,
            price=12.5,
            gift=number == 3,
        )
        for number in range(8)
    ],
)
ORDER_BYTES = msgspec.json.encode(ORDER)
