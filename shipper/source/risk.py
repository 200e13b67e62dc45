"""Whether log files would be rotated away before they are read: what is committed against what stands on the disk.

A file that was renamed is deleted after some more rotations. It can be read as long as somebody holds it open, but not
after a restart, and not when nobody has seen it yet.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from shipper.model import Progress
from shipper.source.content import open_content
from shipper.source.cursor import Seen, check_length, check_of, compressed, unsealed
from shipper.source.listing import Folders
from shipper.source.packed import Packed

Holds = Callable[[Progress, Seen], bool]
"""Whether a file that was seen is the one that was read so far."""


def unread_behind_live(base: str, known: Sequence[Progress], seen: Sequence[Seen], holds: Holds) -> bool:
    """Whether something of a family is not read to its end and not the live file.

    `known`: the family's committed positions, `seen`: `base` and its siblings as they stand there.
    """
    nodes = {one.node for one in seen}
    if any(not progress.done and (progress.device, progress.inode) not in nodes for progress in known):
        return True
    return any(one.path != base and not _is_read(one, known, holds) for one in seen)


def _is_read(seen: Seen, known: Sequence[Progress], holds: Holds) -> bool:
    """An inode alone says little: the live file often has that of the sibling just deleted."""
    if not seen.size:
        return True
    same = [one for one in known if (one.device, one.inode) == seen.node]
    if compressed(seen.path):
        return any(one.done and holds(one, seen) for one in same)
    same = [one for one in same if one.offset == seen.size]
    return any(holds(progress, seen) for progress in same)


def holds_on_disk(progress: Progress, seen: Seen) -> bool:
    """Compares the bytes before the committed offset; of a compressed file those that it ends with."""
    check, seal = unsealed(progress.check)
    length = check_length(check)
    try:
        with closing(open_content(seen.path)) as content:
            if isinstance(content, Packed):
                return content.seal() == seal
            return check_of(content.pread(length, progress.check_at - length)) == check
    except OSError:
        return False


def would_be_rotated_away(files: Iterable[Progress], folders: Folders) -> bool:
    """Whether that holds for some family of the committed files; what cannot be told counts as such."""
    families: dict[str, list[Progress]] = {}
    for progress in files:
        families.setdefault(progress.family, []).append(progress)
    return any(_at_risk(base, known, folders) for base, known in families.items() if base)


def _at_risk(base: str, known: list[Progress], folders: Folders) -> bool:
    try:
        listing = folders.family(base)
    except OSError:
        return True
    nodes = {(progress.device, progress.inode) for progress in known if compressed(progress.path)}
    return listing is None or unread_behind_live(base, known, listing.files(nodes), holds_on_disk)
