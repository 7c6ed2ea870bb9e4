"""One node's stable store: commits take time, may fail, and a power cut loses the unsynced."""

from __future__ import annotations

from crmd.controller.events import CommitDone
from crmd.membership.pledge import Pledge


class SimDisk:
    def __init__(self, world, node):
        self.world, self.node = world, node
        self.cib = None
        self.rank = 0
        self.pledge = Pledge()
        self.fails_until = 0.0
        self._under_way = None

    def read(self):
        """What a starting crmd finds."""
        return self.cib, self.rank, self.pledge, ()

    def commit(self, effect):
        chance = self.world.chance["disk"]
        number = self.world.number()
        self._under_way = (number, effect)
        delay = 0.002 + chance.expovariate(1 / self.world.knobs.disk_delay)
        self.world.after(delay, self._written, number)

    def _written(self, number):
        if self._under_way is None or self._under_way[0] != number:
            return
        effect = self._under_way[1]
        self._under_way = None
        node = self.world.nodes[self.node]
        if self.world.now < self.fails_until:
            node.take(CommitDone(effect.token, False, "no space left on device"))
            return
        self.cib, self.rank, self.pledge = effect.cib, effect.rank, effect.pledge
        node.take(CommitDone(effect.token, True))

    def power_cut(self):
        """What was under way may be there, whole, without its rank, or not at all."""
        if self._under_way is None:
            return
        effect = self._under_way[1]
        self._under_way = None
        luck = self.world.chance["disk"].random()
        if self.world.now >= self.fails_until and luck < 0.5:
            self.cib = effect.cib
            if luck < 0.25:
                self.rank, self.pledge = effect.rank, effect.pledge

    def process_killed(self):
        """crmd's death does not undo what its writer had begun."""
        self.power_cut()
