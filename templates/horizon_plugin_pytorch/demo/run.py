# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/run.py
"""The demo from beginning to end: every step of it in order, each with what it prints.

In: the marches to run, a folder, how much to do, and where to print. Out: the folder's demo.png.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, fx

from .._runtime.tracer import QuantTracer
from ..quantization import fuse_fx
from . import deploy, layers, report
from .data import CREDIT, TRAINING_BANDS, VALIDATION_BANDS, Batch, Mosaics, Photo, load_photos, normalize
from .flow import SIZE, Budget, Stages, predict, run_march, share_right, train_float
from .model import Net
from .picture import MOSAIC_SIZE, MOSAICS, ColorRow, Picture, draw, size_of
from .report import Progress

SEED = 0
COMPARED = 16
"""How many mosaics layers are compared on."""
PICTURE = "demo.png"


@dataclass(frozen=True, slots=True)
class Task:
    """What is the same for every march."""

    model: Net
    photos: tuple[Photo, ...]
    training: list[Batch]
    validation: Batch
    shown: Batch
    budget: Budget


@dataclass(slots=True)
class Results:
    """What is collected for the last table and the picture."""

    accuracy: dict[str, dict[str, float]] = field(default_factory=dict)
    named: dict[str, Tensor] = field(default_factory=dict)
    returned: tuple[Tensor, ...] | None = None
    conversion: str = ""
    graph: fx.Graph | None = None
    graph_march: str = ""
    rows: dict[str, tuple[layers.LayerRow, ...]] = field(default_factory=dict)


def run(marches: tuple[str, ...], out: Path, budget: Budget, progress: Progress) -> Path:
    """Run the demo.

    Args:
        marches: in the order to run them.
        out: an existing folder.
        budget: how much to train and to validate.
        progress: where to print.

    Returns:
        The path of the picture.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # layers this small gain little from more, and sums come out alike on every machine
    try:
        return _run(marches, out, budget, progress)
    finally:
        torch.set_num_threads(threads)


def _run(marches: tuple[str, ...], out: Path, budget: Budget, progress: Progress) -> Path:
    torch.manual_seed(SEED)
    task = _prepare(budget, progress)
    results = Results(named={"float": predict(task.model, normalize(task.shown.images))})
    for march in marches:
        _run_one(march, task, results, progress)
    progress.step("accuracy of every stage")
    progress.block("\n" + report.accuracy_table(results.accuracy) + "\n")
    return _draw(task, results, out, progress)


def _prepare(budget: Budget, progress: Progress) -> Task:
    photos = load_photos()
    progress.step("photos: " + ", ".join(f"{p.name} {p.pixels.shape[2]} x {p.pixels.shape[1]}" for p in photos))
    training = Mosaics(photos, TRAINING_BANDS, seed=1)
    validation = Mosaics(photos, VALIDATION_BANDS, seed=2)
    progress.step(
        f"training in float32: {budget.training} steps of {budget.batch} mosaics, which photo is each pixel from?"
    )
    model = train_float(training, budget)
    count = max(budget.calibration, budget.qat)
    task = Task(
        model,
        photos,
        training=[training.batch(budget.batch, SIZE) for _ in range(count)],
        validation=validation.batch(budget.validation, SIZE),
        shown=validation.batch(MOSAICS, MOSAIC_SIZE),
        budget=budget,
    )
    size = sum(p.numel() for p in model.parameters())
    progress.step(f"float32: {100 * share_right(model, task.validation):.2f} % of the pixels right, {size} parameters")
    return task


def _run_one(march: str, task: Task, results: Results, progress: Progress) -> None:
    """Everything for one march; a march that cannot compute the network is told so and left out."""
    progress.step(f"{march}: prepare, calibrate, train quantized, convert")
    try:
        stages = run_march(task.model, march, task.training, task.validation, task.budget)
    except NotImplementedError as error:
        progress.step(f"{march}: left out, {error}")
        return
    floating = {"float": share_right(task.model, task.validation)}
    results.accuracy[march] = floating | stages.accuracy
    results.named[march] = predict(stages.quantized, normalize(task.shown.images))
    progress.step(f"{march}: " + ", ".join(f"{stage} {100 * a:.2f} %" for stage, a in results.accuracy[march].items()))
    _print_graphs(stages, task, results, progress)
    _print_layers(stages, task, results, progress)
    _deploy(stages, task, results, progress)


def _print_graphs(stages: Stages, task: Task, results: Results, progress: Progress) -> None:
    """The first march's graphs in full; of the others what differs from it."""
    graph = stages.quantized.graph
    if results.graph is None:
        results.graph, results.graph_march = graph, stages.march
        progress.block(
            "\nGraph of the float model, as traced\n\n" + report.graph_table(QuantTracer().trace(task.model))
        )
        progress.block(f"\nGraph in integers, {stages.march}: fused and replaced\n\n{report.graph_table(graph)}\n")
        return
    difference = report.graph_difference(results.graph, graph)
    same = f"the same {len(graph.nodes)} nodes as for {results.graph_march}"
    progress.block(f"\nGraph in integers, {stages.march}: " + (f"differs\n{difference}" if difference else same) + "\n")


def _print_layers(stages: Stages, task: Task, results: Results, progress: Progress) -> None:
    """A row a layer; only a line when every number is that of a march before."""
    inputs = normalize(task.validation.images[:COMPARED])
    rows = layers.compare(fuse_fx(task.model), stages.calibrated, stages.qat, stages.quantized, inputs)
    twin = next((march for march, known in results.rows.items() if known == rows), None)
    results.rows[stages.march] = rows
    if twin is not None:
        progress.block(f"Layers in integers, {stages.march}: in every number those of {twin}\n")
        return
    progress.block(f"Layers in integers, {stages.march}: cosine similarity of two stages, on the same mosaics\n")
    progress.block(report.layer_table(rows) + "\n")


def _deploy(stages: Stages, task: Task, results: Results, progress: Progress) -> None:
    """Feed the converted model with YUV, where the march can convert colours."""
    march = stages.march
    if reason := deploy.refusal(march):
        progress.step(f"{march}: no RGB888 deployment: {reason}")
        results.conversion = results.conversion or f"{march}: {reason}"
        return
    progress.step(f"{march}: RGB888 deployment: insert the colour conversion, set the stub's scale to 1, feed YUV")
    deployed = deploy.with_conversion(stages.quantized)
    agreement = deploy.agreement(stages.quantized, deployed, task.validation)
    results.accuracy[march]["integers, YUV"] = agreement.accuracy
    if results.returned is None:
        results.returned = tuple(deploy.round_trip(stages.quantized, photo.pixels) for photo in task.photos)
        results.conversion = f"the way back: integers of {march}, mean and std of the training undone"
        progress.block(f"\nBefore\n\n{report.graph_table(stages.quantized.graph)}")
        progress.block(f"\nAfter\n\n{report.graph_table(deployed.graph)}")
    else:
        progress.block("\n" + report.graph_difference(stages.quantized.graph, deployed.graph))
    progress.block(f"\n{report.agreement_text(agreement)}\n")


def _draw(task: Task, results: Results, out: Path, progress: Progress) -> Path:
    returned = results.returned or (None,) * len(task.photos)
    colors = tuple(
        ColorRow(photo.name, photo.pixels, deploy.to_yuv(photo.pixels[None])[0], back)
        for photo, back in zip(task.photos, returned, strict=True)
    )
    one = float(task.validation.labels.to(torch.float32).mean())
    size = sum(p.numel() for p in task.model.parameters())
    picture = Picture(
        subtitle=f"A network of {size} parameters, trained on mosaics of two photos; calibrated, trained quantized and "
        f"converted for {', '.join(results.accuracy) or 'no march'}",
        colors=colors,
        conversion=results.conversion,
        mosaics=task.shown.images,
        labels=task.shown.labels,
        named=results.named,
        accuracy=results.accuracy,
        chance=max(one, 1 - one),
        credit=CREDIT,
    )
    path = out / PICTURE
    draw(picture, path)
    progress.step(f"picture: {path}, {' x '.join(map(str, size_of(picture)))} pixels")
    return path
