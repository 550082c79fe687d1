"""A policy whose units somebody tells, because its recordings did not."""

from dataclasses import replace

from dist2_robot.actions.tell import tell_actions, tell_observed
from dist2_robot.actions.told_spec import ToldSpec
from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.deploy.link import ChunkRequest, PolicyLink, TimedChunk


def tell_card(card: PolicyCard, told: ToldSpec) -> PolicyCard:
    """Return a card with the units that are told. Raises InputError where they contradict it."""
    spec = tell_actions(card.spec, told)
    names = {feature: card.observation_names[feature] for feature in card.observation.numbers}
    units = tell_observed(names, card.observation_units, told, spec)
    return replace(card, spec=spec, observation_units=units)


class ToldLink(PolicyLink):
    """The same link, with another card."""

    def __init__(self, link: PolicyLink, told: ToldSpec) -> None:
        """Args: link: To the policy. told: Units of its numbers. Raises InputError as `tell_card` does."""
        self._link, self._card = link, tell_card(link.card, told)

    @property
    def card(self) -> PolicyCard:
        return self._card

    def request(self, request: ChunkRequest) -> None:
        self._link.request(request)

    def poll(self) -> TimedChunk | None:
        return self._link.poll()

    def close(self) -> None:
        self._link.close()
