"""Message ids are the same however they are made."""

from __future__ import annotations

import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from countline.messages.ids import NAMESPACE, IdMaker, derived_id


@settings(max_examples=50)
@given(st.lists(st.text(max_size=20), max_size=8), st.text(max_size=5), st.integers(0, 2**40))
def test_ids_made_together_are_those_made_one_by_one(parts: list[str], stream: str, number: int) -> None:
    maker = IdMaker("m")
    names = [f"m\0entrance\0{stream}\0{number}\0{part}" for part in parts]
    one_by_one = [str(uuid.uuid5(NAMESPACE, name)) for name in names]
    assert [maker("entrance", stream, number, part) for part in parts] == one_by_one
    ids, derived = maker.pairs("entrance", stream, number, [part.encode() for part in parts])
    assert (ids, derived) == (one_by_one, [derived_id(identity) for identity in one_by_one])


@settings(max_examples=50)
@given(st.text(max_size=20))
def test_derived_id_is_another_uuid_whose_derived_id_is_the_first(name: str) -> None:
    identity = str(uuid.uuid5(NAMESPACE, name))
    other = derived_id(identity)
    assert other != identity
    assert str(uuid.UUID(other)) == other
    assert uuid.UUID(other).version == 5
    assert derived_id(other) == identity
