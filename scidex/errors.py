"""Errors are facts: one tree, each class named for what is true."""


class ScidexError(Exception):
    """Something that was asked of the exchange cannot be done."""

    def __init__(self, **facts: object) -> None:
        self.__dict__.update(facts)
        super().__init__(f"{type(self).__doc__} {facts}")


class InvalidArgument(ScidexError):
    """An argument is not one that the function accepts."""


class UnknownMechanism(ScidexError):
    """No mechanism has this name."""
