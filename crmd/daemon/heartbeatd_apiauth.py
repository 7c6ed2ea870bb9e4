"""`apiauth` of ha.cf: who may connect as which named client.

Facts: heartbeat-v1.md section 12.2.  Names of users and groups are looked up once, at the start and
on HUP: a directory service may stall, and a heartbeat may not.  Only root and the cluster user may
register at all, since what clients send and hear is the cluster's own talk; a line narrows that
to its users and the members of its groups (root always may), and never opens it to others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from crmd.heartbeat.settings import DEFAULT_APIAUTH, ApiAuth

DEFAULT = "default"


@dataclass(slots=True)
class Permits:
    """The looked-up lines."""

    rules: dict[str, tuple[frozenset[int], frozenset[int]]] = field(default_factory=dict)
    """Client -> (user ids, primary group ids)."""
    unknown: list[str] = field(default_factory=list)
    """Names that nobody bears here, worded for a person."""

    @classmethod
    def of(cls, lines: Iterable[ApiAuth]) -> Permits:
        """Look all names up."""
        import grp
        import pwd

        made = cls()
        for line in lines:
            told: list[str] = [] if line in DEFAULT_APIAUTH else made.unknown
            uids: set[int] = set()
            gids: set[int] = set()
            for name in line.uids:
                try:
                    uids.add(int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid)
                except KeyError:
                    told.append(f"apiauth {line.client}: there is no user {name!r} here")
            for name in line.gids:
                try:
                    group = grp.getgrgid(int(name)) if name.isdigit() else grp.getgrnam(name)
                except KeyError:
                    told.append(f"apiauth {line.client}: there is no group {name!r} here")
                    continue
                gids.add(group.gr_gid)
                for member in group.gr_mem:
                    try:
                        uids.add(pwd.getpwnam(member).pw_uid)
                    except KeyError:
                        continue  # a member that was deleted
            made.rules[line.client] = (frozenset(uids), frozenset(gids))
        return made

    def allow(self, client: str, uid: int, gid: int, *, is_trusted: bool) -> bool:
        """Whether this user may be that client; `is_trusted`: root or the cluster user."""
        rule = self.rules.get(client, self.rules.get(DEFAULT))
        if rule is None or uid in (0, os.geteuid()):
            return is_trusted
        return is_trusted and (uid in rule[0] or gid in rule[1])
