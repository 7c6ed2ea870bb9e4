"""The messaging layer as the controllers see it: liveness, order, loss as delay, cuts by direction.

Guarantees are those of `crmd.messaging`: of one sender in order, at most once per generation.
Messages caught by a cut arrive after it if the receiver has not declared the sender dead
meanwhile; else they are lost or arrive late, as the run's knobs say.
"""

from __future__ import annotations

from collections import deque

from crmd.messaging import Delivered, PeerDown, PeerUp


class SimNet:
    def __init__(self, world):
        self.world = world
        self.up = set()
        self.cuts = {}
        self.silent_nodes = set()
        self.heard = {}
        """(receiver, sender) -> whether the receiver holds the sender for alive."""
        self.suspect = {}
        """(receiver, sender) -> number of the pending declaration of death."""
        self.queue = {}
        self.free_at = {}
        self.seen_generation = {}

    # --- state of links ---------------------------------------------------------------------

    def open(self, sender, receiver):
        """Whether packets pass from sender to receiver now."""
        return (
            sender in self.up
            and receiver in self.up
            and self.cuts.get((sender, receiver), 0) == 0
            and sender not in self.silent_nodes
        )

    def alive_for(self, node):
        """Peers that the node holds for alive."""
        return [p for p in self.world.names if self.heard.get((node, p))]

    def node_up(self, node):
        self.up.add(node)
        self.silent_nodes.discard(node)
        for peer in self.world.names:
            if peer == node:
                continue
            for pair in ((node, peer), (peer, node)):
                self.queue.pop(pair, None)
                if pair[0] == node:
                    self.heard[pair] = False
                self._look(pair)

    def node_down(self, node, clean):
        self.up.discard(node)
        for peer in self.world.names:
            if peer == node:
                continue
            last_words = self.queue.pop((node, peer), ())
            self.queue.pop((peer, node), None)
            self.heard[(node, peer)] = False
            if clean and self.open_before(node, peer) and self.heard.get((peer, node)):
                delay = self.world.chance["net"].uniform(0.001, 0.02)
                self.world.after(delay, self._departed, peer, node, last_words)
            self._look((peer, node))

    def open_before(self, sender, receiver):
        return receiver in self.up and self.cuts.get((sender, receiver), 0) == 0

    def _departed(self, peer, node, last_words):
        """What a node said before it left in good order arrives, then that it has left."""
        if self.heard.get((peer, node)) and node not in self.up:
            for _, topic, payload in last_words:
                self.world.nodes[peer].take(Delivered(node, topic, payload))
            self.heard[(peer, node)] = False
            self.world.nodes[peer].take(PeerDown(node, True))

    def silent(self, node, is_silent):
        """A node that stands still sends nothing; what it gets waits."""
        if is_silent:
            self.silent_nodes.add(node)
        else:
            self.silent_nodes.discard(node)
        for peer in self.world.names:
            if peer != node:
                self._look((peer, node))

    def cut(self, pairs, seconds):
        for pair in pairs:
            self.cuts[pair] = self.cuts.get(pair, 0) + 1
        self.world.after(seconds, self._heal, tuple(pairs))
        for sender, receiver in pairs:
            self._look((receiver, sender))

    def _heal(self, pairs):
        for pair in pairs:
            if self.cuts.get(pair, 0) > 0:
                self.cuts[pair] -= 1
        for sender, receiver in pairs:
            self._look((receiver, sender))

    def heal_all(self):
        pairs = [p for p, n in sorted(self.cuts.items()) if n]
        self.cuts = {}
        for sender, receiver in pairs:
            self._look((receiver, sender))

    # --- liveness ---------------------------------------------------------------------------

    def _look(self, pair):
        """Something about (receiver, sender) has changed: start or stop a declaration."""
        receiver, sender = pair
        number = self.world.number()
        self.suspect[pair] = number
        chance = self.world.chance["net"]
        if self.open(sender, receiver):
            if self.heard.get(pair):
                if self._is_reborn(pair):
                    self.heard[pair] = False
                    self.world.nodes[receiver].take(PeerDown(sender, False, 0.1))
                    self.world.after(chance.uniform(0.01, 0.1), self._live, pair, number)
                else:
                    self._release(pair)
            else:
                self.world.after(chance.uniform(0.01, 0.1), self._live, pair, number)
        elif self.heard.get(pair):
            delay = self.world.deadtime + chance.uniform(-0.05, 0.05)
            self.world.after(delay, self._die, pair, number)
        elif receiver in self.up and sender not in self.seen_generation.get(receiver, {}):
            self.world.after(self.world.settings.form_after_s - 2, self._never_seen, pair, number)

    def _is_reborn(self, pair):
        receiver, sender = pair
        seen = self.seen_generation.get(receiver, {}).get(sender)
        return seen is not None and seen != self.world.nodes[sender].generation

    def _live(self, pair, number):
        receiver, sender = pair
        if self.suspect.get(pair) != number or not self.open(sender, receiver):
            return
        self.heard[pair] = True
        generation = self.world.nodes[sender].generation
        reborn = self._is_reborn(pair)
        self.seen_generation.setdefault(receiver, {})[sender] = generation
        if reborn or not self.world.knobs.late_messages:
            self.queue.pop((sender, receiver), None)
        self.world.nodes[receiver].take(PeerUp(sender, generation))
        self._release(pair)

    def _die(self, pair, number):
        receiver, sender = pair
        if self.suspect.get(pair) != number or not self.heard.get(pair):
            return
        if self.world.nodes[receiver].is_stalled:
            self.world.at(self.world.nodes[receiver].stalled_until + 0.05, self._die, pair, number)
            return
        self.heard[pair] = False
        self.world.nodes[receiver].take(PeerDown(sender, False, self.world.deadtime))

    def _never_seen(self, pair, number):
        receiver, sender = pair
        if self.suspect.get(pair) == number and not self.heard.get(pair):
            self.world.nodes[receiver].take(PeerDown(sender, False, self.world.deadtime))

    # --- messages ---------------------------------------------------------------------------

    def send(self, sender, to, topic, payload):
        targets = [to] if to is not None else [n for n in self.world.names if n != sender]
        for receiver in targets:
            if receiver != sender and receiver in self.world.nodes:
                generation = self.world.nodes[sender].generation
                entry = (generation, topic, payload)
                pair = (sender, receiver)
                self.queue.setdefault(pair, deque()).append(entry)
                if self.open(sender, receiver):
                    self._schedule(pair)

    def _release(self, pair):
        receiver, sender = pair
        for _ in self.queue.get((sender, receiver), ()):
            self._schedule((sender, receiver))

    def _schedule(self, pair):
        chance, knobs = self.world.chance["net"], self.world.knobs
        delay = knobs.delay + chance.expovariate(1 / knobs.delay)
        while chance.random() < knobs.loss:
            delay += 0.05  # lost, and sent again
        when = max(self.world.now + delay, self.free_at.get(pair, 0.0))
        self.free_at[pair] = when
        self.world.at(when, self._deliver, pair)

    def _deliver(self, pair):
        sender, receiver = pair
        queue = self.queue.get(pair)
        if not queue or not self.open(sender, receiver) or not self.heard.get((receiver, sender)):
            return
        generation, topic, payload = queue.popleft()
        if self.world.knobs.gaps and self.world.chance["net"].random() < self.world.knobs.gaps:
            self.world.monitor.count("message lost for good")
            return
        node = self.world.nodes[receiver]
        if generation == self.world.nodes[sender].generation:
            self.world.monitor.delivered(sender, receiver, generation)
            node.take(Delivered(sender, topic, payload))
