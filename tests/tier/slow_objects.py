"""A folder whose objects lie in a class that can't be read at once, as S3's GLACIER: moto makes them readable at once."""

from shipper.objects.folder import FolderStore
from shipper.objects.store import NeedsRestore

DAY_S = 86_400


class SlowFolder(FolderStore):
    """What is asked for can be read from `thaw(now)` on."""

    def __init__(self, folder, storage_class="GLACIER"):
        super().__init__(folder)
        self.storage_class = storage_class
        self.asked, self.until = {}, {}

    def head(self, key):
        there = super().head(key)
        if there is None:
            return None
        until = self.until.get(key)
        state = {"readable": until is not None, "restoring": key in self.asked, "readable_until": until}
        return there._replace(storage_class=self.storage_class, **state)

    def restore(self, key, days, speed="Standard"):
        if key not in self.until:
            self.asked[key] = (days, speed)

    def thaw(self, now):
        """Hours later."""
        self.until |= {key: now + days * DAY_S for key, (days, _) in self.asked.items()}
        self.asked = {}

    def fetch(self, key, target, told=None):
        if key not in self.until:
            raise NeedsRestore(f"{self.where}/{key}: {self.storage_class}; restore it first")
        return super().fetch(key, target, told)
