"""View of quantization/qconfig.py: presets, observers and fake quantizers by name.

In: the catalog. Out: rows whose fields are Python expressions.
"""

from dataclasses import dataclass

from generator.link import Catalog
from generator.schema_policy import Quantizer


@dataclass(frozen=True, slots=True)
class NamedClassView:
    """A name and the class it stands for."""

    name: str
    class_name: str
    doc: str


@dataclass(frozen=True, slots=True)
class QuantizerView:
    """A fake quantizer with its arguments."""

    name: str
    class_name: str
    arguments: str
    public: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PresetView:
    """A named qconfig."""

    name: str
    activation: str
    weight: str
    stage: str | None
    doc: str


@dataclass(frozen=True, slots=True)
class AliasView:
    """Another name of a preset."""

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class ConstantView:
    """A default of an observer's constructor."""

    name: str
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class DefaultsView:
    """Defaults of the functions that make qconfigs."""

    fake_quant: str
    observer: str
    calibration_observer: str
    search_class: str
    dtype: str
    weight_fake_quants: str


@dataclass(frozen=True, slots=True)
class PresetsView:
    """Everything in quantization/qconfig.py."""

    observers: tuple[NamedClassView, ...]
    weight_observers: tuple[NamedClassView, ...]
    fake_quants: tuple[NamedClassView, ...]
    observer_imports: str
    preset_observer_imports: str
    observer_defaults: tuple[ConstantView, ...]
    dtype_imports: str
    defaults: DefaultsView
    quantizers: tuple[QuantizerView, ...]
    presets: tuple[PresetView, ...]
    aliases: tuple[AliasView, ...]
    deprecated: tuple[AliasView, ...]
    preset_names: str
    names: tuple[str, ...]


def presets_view(catalog: Catalog) -> PresetsView:
    """Build every row."""
    observers = catalog.observers.spec
    presets = catalog.qconfigs.spec.presets
    quantizers = catalog.qconfigs.spec.quantizers
    defaults = catalog.qconfigs.spec.defaults
    named = tuple(NamedClassView(n, o.class_, o.doc) for n, o in observers.observers.items())
    rows = tuple(
        PresetView(
            name=name,
            activation="None" if preset.activation == "none" else _quantizer_name(preset.activation),
            weight=_quantizer_name(preset.weight),
            stage=preset.stage,
            doc=_doc(name, preset.stage),
        )
        for name, preset in presets.items()
    )
    aliases = tuple(AliasView(alias, name) for name, p in presets.items() for alias in p.aliases)
    deprecated = tuple(AliasView(alias, name) for name, p in presets.items() for alias in p.deprecated)
    public = (name for quantizer in quantizers.values() for name in quantizer.public)
    names = sorted([*presets, *(a.name for a in (*aliases, *deprecated)), *public])
    return PresetsView(
        observers=named,
        weight_observers=tuple(view for view in named if observers.observers[view.name].weights),
        fake_quants=tuple(NamedClassView(n, f.class_, f.doc) for n, f in observers.fake_quants.items()),
        observer_imports=", ".join(sorted({view.class_name for view in named})),
        observer_defaults=tuple(
            ConstantView(f"{name}_{key}".upper(), _type_of(value), repr(value))
            for name, observer in observers.observers.items()
            for key, value in observer.arguments.items()
        ),
        preset_observer_imports=", ".join(
            sorted({observers.observers[q.observer].class_ for q in quantizers.values()})
        ),
        dtype_imports=", ".join(sorted({q.dtype for q in quantizers.values()})),
        defaults=DefaultsView(
            fake_quant=defaults.fake_quant,
            observer=defaults.observer,
            calibration_observer=defaults.calibration_observer,
            search_class=observers.observers[defaults.search_observer].class_,
            dtype=defaults.dtype,
            weight_fake_quants=repr(defaults.weight_fake_quants),
        ),
        quantizers=tuple(_quantizer(catalog, n, q) for n, q in catalog.qconfigs.spec.quantizers.items()),
        presets=rows,
        aliases=aliases,
        deprecated=deprecated,
        preset_names=", ".join(names),
        names=tuple(names),
    )


def _type_of(value: object) -> str:
    return "tuple[float, ...]" if isinstance(value, tuple) else type(value).__name__


def _quantizer_name(name: str) -> str:
    return f"_{name.upper()}"


def _doc(name: str, stage: str | None) -> str:
    purpose = {
        "qat": "For QAT.",
        "calibration": "For calibration.",
        None: "For both stages: the output stays unquantized.",
    }
    return purpose[stage]


def _quantizer(catalog: Catalog, name: str, quantizer: Quantizer) -> QuantizerView:
    observers = catalog.observers.spec
    arguments = [
        f"observer={observers.observers[quantizer.observer].class_}",
        f"dtype={quantizer.dtype}",
        f"qscheme=torch.{quantizer.qscheme}",
        f"ch_axis={quantizer.ch_axis}",
        *(f"{key}={value!r}" for key, value in quantizer.arguments.items()),
    ]
    class_name = observers.fake_quants[quantizer.fake_quant].class_
    return QuantizerView(_quantizer_name(name), class_name, ", ".join(arguments), quantizer.public)
