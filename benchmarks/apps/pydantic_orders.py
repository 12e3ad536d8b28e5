"""The same order for the frameworks whose users validate with pydantic."""

from typing import Annotated

from pydantic import BaseModel, Field

Name = Annotated[str, Field(min_length=1, max_length=80)]


class Item(BaseModel):
    """One line of an order."""

    sku: Annotated[str, Field(min_length=1, max_length=20)]
    title: Name
    quantity: Annotated[int, Field(ge=1, le=1000)]
    price: Annotated[float, Field(ge=0)]
    gift: bool


class Order(BaseModel):
    """What is sent, validated and sent back."""

    id: int
    customer: Name
    note: str | None
    items: Annotated[list[Item], Field(min_length=1, max_length=100)]
