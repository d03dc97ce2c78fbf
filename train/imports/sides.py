"""Which sessions evaluation takes: whole conversations, none of them nearly one of training or contained in one."""

from callproof.sessions import Chains, Corpus, Link, Session, leaks
from callproof.turns import held_out


class Sides:
    """Takes the sessions in order, known by their numbers from 0, and then says which ones are held out."""

    def __init__(self) -> None:
        self._chains = Chains()
        self._groups: list[str] = []
        self._corpus = Corpus()

    def add(self, session: Session) -> None:
        self._chains.add(Link(session.said()))
        self._corpus.add(session.model_dump(include={"messages"})["messages"])
        self._groups.append(session.group)

    def held_out(self, share: float) -> set[int]:
        """The numbers of the sessions that evaluation takes.

        The name of a conversation decides, so that it stays on its side when others are added. Conversations that are
        alike or contain each other go together; where that leaves a side empty, one of them changes it. None are held
        out where all sessions are of one conversation, or alike.
        """
        clusters = self._clusters()
        while True:  # each turn joins two clusters
            held = {name for name in clusters.values() if held_out(name, share)} or {min(clusters.values())}
            if len(held) == len(set(clusters.values())) > 1:
                held.remove(max(held))
            inside = [number for number, name in clusters.items() if name in held]
            outside = [number for number, name in clusters.items() if name not in held]
            if not outside:
                return set()
            found = leaks(self._corpus.part(inside), self._corpus.part(outside))
            if not found:
                return set(inside)
            for leak in found:
                _join(clusters, inside[leak.number], outside[leak.other])

    def _clusters(self) -> dict[int, str]:
        """The name of each session's cluster."""
        clusters, fates = dict(enumerate(self._groups)), self._chains.fates()
        for number in clusters:
            _join(clusters, number, fates[number].conversation)
        return clusters


def _join(clusters: dict[int, str], one: int, other: int) -> None:
    """Give two clusters one name."""
    name, gone = sorted((clusters[one], clusters[other]))
    if name != gone:
        clusters.update({number: name for number, cluster in clusters.items() if cluster == gone})
