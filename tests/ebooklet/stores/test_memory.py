import pytest

from ebooklet.stores.memory import MemoryStore
from tests.kits.object_store_kit import ObjectStoreKit


class TestMemoryStore(ObjectStoreKit):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
