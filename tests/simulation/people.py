"""Administrators: they change the configuration, clean up, and count their answers."""

from __future__ import annotations

from crmd.controller.events import ClientRequest


class People:
    def __init__(self, world):
        self.world = world
        self.asked = {}
        self.marks = 0
        self.safe_marks = set()
        self.answers = {}
        self.then = {}

    def ask(self, node, payload, mark=None, then=None):
        """Send a request to a node's controller, if it has one."""
        target = self.world.nodes[node]
        if target.controller is None or target.is_stalled:
            return
        tag = self.world.number()
        self.asked[(node, tag)] = mark
        if then is not None:
            self.then[(node, tag)] = then
        target.take(ClientRequest(7, tag, payload))

    def replied(self, node, effect):
        if effect.tag == 0:
            return  # our own shutdown request of the shell
        key = (node, effect.tag)
        if key not in self.asked:
            self.world.monitor.broken("I12", f"{node} answers {effect.tag} twice or unasked")
        mark = self.asked.pop(key)
        self.world.monitor.count(f"answer ok={effect.payload.get('ok')}")
        if mark is not None:
            self.answers[mark] = effect.payload
            if effect.payload.get("durable") and effect.payload.get("quorum"):
                self.safe_marks.add(mark)
        then = self.then.pop(key, None)
        if then is not None:
            self.world.after(0.0001, then)

    def node_forgot(self, node):
        """Its crmd is gone, and the connections with it."""
        for key in [k for k in self.asked if k[0] == node]:
            del self.asked[key]

    def mark(self, node, then=None):
        """A change of the configuration that can be found again: a new resource default."""
        self.marks += 1
        name = f"mark-{self.marks}"
        xml = (
            '<rsc_defaults><meta_attributes id="marks">'
            f'<nvpair id="{name}" name="{name}" value="1"/></meta_attributes></rsc_defaults>'
        )
        request = {"call": "modify", "section": "configuration", "allow_create": True}
        request["xml"] = f"<configuration>{xml}</configuration>"
        self.ask(node, {"op": "cib", "request": request}, name, then)

    def standby(self, node, target, value):
        xml = (
            f'<nodes><node id="{target}" uname="{target}"><instance_attributes id="i-{target}">'
            f'<nvpair id="sb-{target}" name="standby" value="{value}"/>'
            "</instance_attributes></node></nodes>"
        )
        request = {"call": "modify", "section": "nodes", "allow_create": True, "xml": xml}
        self.ask(node, {"op": "cib", "request": request})

    def cleanup(self, node):
        self.ask(node, {"op": "cleanup"})
