"""What every provider owes for files."""

import contextlib
import uuid

import pytest
from msgspec.structs import replace
from tests.providers.workshop import Workshop, refused

from hostler.providers.errors import Refused

HOSTILE_FILES = {
    "apostrophe": "o'brien.iso",
    "quotes": 'a "b".iso',
    "comma": "a,format=raw.iso",
    "colon": "nbd:host:1.iso",
    "markup": "<&>.iso",
    "space": " a b .iso",
    "emoji": "\N{ROCKET}.iso",
    "option": "-o.iso",
    "newline": "a\nb.iso",
    "nul": "a\0b.iso",
    "surrogate": "\udcff.iso",
    "too-long": "x" * 300,
    "escape": "../../../escaped.iso",
}


class Files:
    """Seeds, deletion, hostile paths."""

    async def test_a_seed_is_written_once_however_often_it_is_asked_for(self, shop: Workshop) -> None:
        path, seed = shop.path("seed.iso"), shop.seed()
        await shop.provider.write_seed(shop.fence, path, seed)
        first = await shop.provider.read_file(path)
        await shop.provider.write_seed(shop.fence, path, seed)
        assert first is not None
        assert first.size_bytes > 0
        assert await shop.provider.read_file(path) == first

    async def test_a_seed_carries_any_text(self, shop: Workshop) -> None:
        path = shop.path("seed.iso")
        text = "'\"\\ \n: - {} \N{ROCKET} \u0007 $(id) <>&"
        seed = replace(shop.seed(), user_data={text: [text, {"deep": [1, None, True, 1.5, text]}]})
        await shop.provider.write_seed(shop.fence, path, seed)
        assert await shop.provider.read_file(path) is not None

    async def test_deleting_a_file_twice_is_deleting_it_once(self, shop: Workshop) -> None:
        path = shop.path("seed.iso")
        await shop.provider.write_seed(shop.fence, path, shop.seed())
        for _ in range(2):
            await shop.provider.delete_file(shop.fence, path)
            assert await shop.provider.read_file(path) is None

    @pytest.mark.parametrize("name", HOSTILE_FILES.values(), ids=HOSTILE_FILES.keys())
    async def test_a_hostile_file_name_works_or_is_refused(self, shop: Workshop, name: str) -> None:
        path = f"{shop.subject.folder}/{uuid.uuid4()}/{name}"
        refusal = await refused(shop.provider.write_seed(shop.fence, path, shop.seed()))
        if refusal is not None:
            assert refusal.message
            with contextlib.suppress(Refused):
                assert await shop.provider.read_file(path) is None
            return
        assert await shop.provider.read_file(path) is not None
        await shop.provider.delete_file(shop.fence, path)
        assert await shop.provider.read_file(path) is None

    async def test_a_relative_path_is_refused(self, shop: Workshop) -> None:
        with pytest.raises(Refused):
            await shop.provider.write_seed(shop.fence, "relative/seed.iso", shop.seed())
        with pytest.raises(Refused):
            await shop.provider.delete_file(shop.fence, "relative/seed.iso")
