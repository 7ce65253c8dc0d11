"""What several kinds of entries are made of: the strict base of every block, names, and shared blocks."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.prompts import problems_of

__all__ = [
    "DecodingEntry",
    "Device",
    "EncoderEntry",
    "Metadata",
    "ModelName",
    "ModelNames",
    "Name",
    "Names",
    "Part",
    "Positive",
    "Revision",
    "Whole",
    "template",
]


class Part(BaseModel):
    """Base of every block: no unknown keys, no silent conversions, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=False, allow_inf_nan=False)


def template(place: str) -> Any:
    """The type of a Jinja2 template for one place of `prompts.PLACES`."""

    def slots_fit(source: str) -> str:
        problems = problems_of(source, place)
        if problems:
            raise ValueError("\n".join(problems))
        return source

    return Annotated[str, AfterValidator(slots_fit)]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Names = Annotated[list[Name], BeforeValidator(_as_list), Field(min_length=1)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(@\d+)?$")]
"""A name; of a checkpoint that was trained with another seed than 0, `@` and the seed behind it."""
ModelNames = Annotated[list[ModelName], BeforeValidator(_as_list), Field(min_length=1)]
LARGEST = 2**32 - 1
"""Of whole numbers in entries: what every library takes, as a seed too."""
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Whole = Annotated[int, Field(ge=0, le=LARGEST)]
Revision = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|refs/\S+)$")]


def _is_device(name: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError("there is no such kind of device; name cpu, cuda or cuda:N")
    return name


Device = Annotated[str, AfterValidator(_is_device)]


class Metadata(Part):
    version: float
    """Raise it when a change to the entry changes results; it is part of every result."""


class EncoderEntry(Part):
    """A sentence-transformers model: from the hub or a folder (`pretrained`), or inside an installed package."""

    pretrained: str | None = None
    revision: Revision | None = None
    package: str | None = None
    folder: str = "."
    install: str | None = None
    max_seq_length: Positive | None = None
    trust_remote_code: bool | None = None
    """Whether Python code that the model's repository or folder brings may be run; default: no. None and not False, so
    that entries recorded before there was this key stay equal to those of today."""

    @model_validator(mode="after")
    def _one_origin(self) -> EncoderEntry:
        if (self.pretrained is None) == (self.package is None):
            raise ValueError("set either `pretrained` (hub id or folder) or `package` (installed Python package)")
        return self


class DecodingEntry(Part):
    """`generation_kwargs`, with lm-eval's names."""

    max_gen_toks: Positive = 256
    until: list[str] = []
    do_sample: bool = False
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _sampling_is_meant(self) -> DecodingEntry:
        if self.do_sample != (self.temperature > 0):
            raise ValueError("do_sample: true goes with a temperature above 0, and do_sample: false with temperature 0")
        return self
