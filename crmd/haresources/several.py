"""Who holds which group where more than two nodes live.

The v1 protocol speaks of halves, "local" and "foreign", and was made for two nodes: of three both
survivors take what a third one leaves (heartbeat-v1.md section 18.16).  Nodes of our own kind say
more: each report of theirs names the groups that it holds (`pkheld`), and a standby that brings
groups home names the home (`pknode`); a real Heartbeat ignores both fields.  With two nodes none
of this is used or sent.  Questions on `State`; pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from crmd.haresources.claims import Claim
from crmd.haresources.takeover_state import Peer, State

HELD_FIELD = "pkheld"
HOME_FIELD = "pknode"


def read_held(text: str | None) -> frozenset[str] | None:
    """The keys that a report names; None: a real Heartbeat, or one of two nodes."""
    return None if text is None else frozenset(text.split())


def elsewhere(s: State, *, but: str = "") -> set[str]:
    """Keys that living peers hold, as far as they tell them; of others the claim counts."""
    held: set[str] = set()
    for peer in s.living:
        if peer.name == but or peer.gave_up:
            continue
        claim = peer.claim or Claim.NONE
        if peer.held is not None:
            held |= peer.held
        else:
            held |= {g.key for g in s.groups if g.home == peer.name and Claim.LOCAL in claim}
            held |= {g.key for g in s.groups if g.home != peer.name and Claim.FOREIGN in claim}
    return held


def everybody_told(s: State) -> bool:
    """Whether all living peers have said what they hold since they began."""
    return all(peer.claim is not None or peer.gave_up for peer in s.living)


def free(s: State, half: Claim) -> list[str]:
    """Keys of `half` that nobody holds and that are ours to take, in the order of the file.

    Our own are; those whose home is dead or empty are if we are the first living node of ha.cf.
    """
    taken = elsewhere(s) | s.work.held
    at_home = {peer.name for peer in s.living if not peer.gave_up}
    found = []
    for group in s.groups:
        if group.key in taken:
            continue
        if group.home == s.me:
            ours = Claim.LOCAL in half
        else:
            ours = Claim.FOREIGN in half and group.home not in at_home and s.am_taker(group.home)
        if ours:
            found.append(group.key)
    return found


def of_home(s: State, home: str) -> list[str]:
    """Keys of `home` that may run here, last one first: the order to stop them in."""
    keys = [group.key for group in s.groups if group.home == home]
    return [key for key in reversed(keys) if key in s.work.active]


def returned_home(s: State) -> Peer | None:
    """A living, settled peer whose groups are here, all others being of our own kind."""
    if not all(peer.is_ours for peer in s.living):
        return None
    for peer in s.living:
        if peer.is_stable and not peer.gave_up and not peer.is_starting and of_home(s, peer.name):
            return peer
    return None


def surplus(s: State, peer: Peer) -> list[str]:
    """Keys that both we and `peer` hold and that are not ours to keep, last one first.

    The home keeps its groups; of two others the first in ha.cf does.
    """
    both = s.work.active & (peer.held or frozenset())
    order = {name: place for place, name in enumerate(s.policy.nodes)}
    after = len(order)
    i_come_later = order.get(s.me, after) > order.get(peer.name, after)
    lose = {
        g.key
        for g in s.groups
        if g.key in both and g.home != s.me and (g.home == peer.name or i_come_later)
    }
    return [key for key in s.active_keys() if key in lose]


def text_of(keys: Iterable[str]) -> str:
    """The field of a report."""
    return " ".join(sorted(keys))
