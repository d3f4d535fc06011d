"""What a new plugin is called, and whether these names can be had."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Self

from blocks_core.discovery import read_offers
from blocks_core.errors import NameInvalid
from blocks_core.names import check_slug
from blocks_registry.errors import AuthoringRefused

MAX_CHARACTERS = 30
"""Of a distribution's name and a slug: they are part of names of classes and files, and of lines of code."""

_DISTRIBUTION = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class Kind:
    """What a plugin can be started as."""

    module: str
    """Of the block type, in the package."""
    what: str
    """The first sentence of the type that is written, for a table."""
    parts: tuple[str, ...]
    """Folders of templates, over those for all."""
    dependencies: tuple[str, ...] = ()
    dev_dependencies: tuple[str, ...] = ()


KINDS = {
    "none": Kind("service", "where a service listens, and its token", ("none",)),
    "storage": Kind("storage", "files in a folder", ("storage",), ("fsspec",)),
    "notifier": Kind("notifier", "messages as JSON to an address", ("http", "notifier")),
    "credentials": Kind("credentials", "who one is to a service", ("http", "credentials")),
    "secret-source": Kind("secret_source", "secrets that a service keeps", ("http", "secret-source")),
    "infrastructure": Kind(
        "infrastructure",
        "jobs on another infrastructure, with variables of its own",
        ("infrastructure",),
        dev_dependencies=("blocks-standard",),
    ),
}
"""Capability -> what is written; `none` is a block without one."""


@dataclass(frozen=True)
class NewPlugin:
    """The names of a plugin that is to be written."""

    distribution: str
    slug: str
    capability: str

    @classmethod
    def named(cls, name: str, *, slug: str | None = None, capability: str = "none") -> Self:
        """Return a plugin by the name of its distribution.

        Raises:  AuthoringRefused: a name is not well formed, or taken.
        """
        if len(name) > MAX_CHARACTERS or not _DISTRIBUTION.fullmatch(name):
            raise AuthoringRefused(
                f"{name[:80]!r} cannot be the name of a plugin: use up to {MAX_CHARACTERS} lower-case letters and "
                f"digits in words joined by hyphens, such as 'acme-queue'."
            )
        slug = slug or name.removeprefix("blocks-")
        if len(slug) > MAX_CHARACTERS:
            raise AuthoringRefused(
                f"The slug '{slug[:80]}' is longer than {MAX_CHARACTERS} characters. Shorten it."
            )
        try:
            found = cls(name, check_slug(slug), capability)
        except NameInvalid as error:
            raise AuthoringRefused(str(error)) from error
        found._refuse_taken()
        return found

    @property
    def kind(self) -> Kind:
        """Return what it is started as."""
        return KINDS[self.capability]

    @property
    def package(self) -> str:
        """Return the name to import."""
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        """Return the name of the block type's class."""
        return "".join(word[:1].upper() + word[1:] for word in self.slug.split("-"))

    @property
    def target(self) -> str:
        """Return what the entry point names."""
        return f"{self.package}.{self.kind.module}:{self.class_name}"

    def values(self) -> dict[str, str]:
        """Return what stands for the names in the templates."""
        core = version("blocks-core").split(".")
        return {
            "distribution": self.distribution,
            "package": self.package,
            "slug": self.slug,
            "class_name": self.class_name,
            "title": " ".join(word[:1].upper() + word[1:] for word in self.slug.split("-")),
            "module": self.kind.module,
            "what": self.kind.what,
            "core_requirement": f"blocks-core>={'.'.join(core[:2])}",
            "dependency_lines": "".join(f'\n    "{name}",' for name in self.kind.dependencies),
            "dev_dependency_lines": "".join(f'\n    "{name}",' for name in self.kind.dev_dependencies),
        }

    def _refuse_taken(self) -> None:
        for offer in read_offers("blocks.types"):
            if offer.name == self.slug:
                raise AuthoringRefused(
                    f"The slug '{self.slug}' is taken: {offer.origin} offers it. Choose another one with --slug."
                )
        if not self.package.isidentifier() or keyword.iskeyword(self.package):
            raise AuthoringRefused(f"'{self.package}' cannot be a package of Python. Choose another name.")
        if keyword.iskeyword(self.class_name) or not self.class_name.isidentifier():
            raise AuthoringRefused(f"'{self.class_name}' cannot be a class of Python. Choose another --slug.")
        if self.package in sys.stdlib_module_names or find_spec(self.package) is not None:
            raise AuthoringRefused(
                f"A module '{self.package}' is installed here already, and the plugin's package would hide it, or be "
                f"hidden. Choose another name, such as 'acme-{self.distribution}'."
            )
