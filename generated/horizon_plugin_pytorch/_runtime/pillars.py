# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/pillars.py
"""Point clouds to pillars: which points lie in which voxel of a grid.

In: point clouds, the range of space that counts and the size of a voxel. Out: the points of each voxel that holds any, and
where that voxel is. Float arithmetic on the host, before the model.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .errors import ArgumentError
from .host import require_values

_AXES = 3


def points_to_pillars(
    _op: str,
    points_list: Sequence[Tensor],
    pc_range: Sequence[float] | Tensor,
    voxel_size: Sequence[float] | Tensor,
    max_voxels: int,
    max_points_per_voxel: int,
    use_max: bool,
    norm_range: Sequence[float] | Tensor | None = None,
    norm_dims: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Sort points into voxels.

    Args:
        points_list: for each cloud float32 [points, D], D >= 3, of which the first three are x, y, z.
        pc_range: (x, y, z) from and (x, y, z) to; a point on the upper end is outside.
        voxel_size: of x, y and z.
        max_voxels: of one cloud. Voxels count in the order in which their first point comes; the rest is dropped.
        max_points_per_voxel: the points after these, in their order, are dropped.
        use_max: give `max_voxels` rows for each cloud, whatever it holds (a deployed model has fixed sizes): rows
            without a voxel are 0, and their coordinates -1. Else as many rows as there are voxels.
        norm_range: from and to for each of `norm_dims`, all the lower ends first; those values become 0 .. 1.
        norm_dims: columns of a point that are normalized; all of x, y, z for None when a range is given.

    Returns:
        Features float32 [M, max_points_per_voxel, D], 0 where a voxel has fewer points, and coordinates int32 [M, 4]:
        (cloud, z, y, x).

    Raises:
        ArgumentError: a range that is empty, or lists of the wrong length.
        NotImplementedError: a cloud is a QTensor.
    """
    require_values(_op, _op, points_list)
    lower, upper, size = _grid(pc_range, voxel_size)
    features, coords = [], []
    for index, points in enumerate(points_list):
        rows, places = _pillars(points, lower, upper, size, max_voxels, max_points_per_voxel)
        rows = _normalized(rows, places[1], norm_range, norm_dims)
        cloud = torch.full((len(rows), 1), index, dtype=torch.int64, device=rows.device)
        row_coords = torch.cat([cloud, places[0]], dim=1)
        if use_max:
            rows, row_coords = _padded(rows, max_voxels, 0), _padded(row_coords, max_voxels, -1)
        features.append(rows)
        coords.append(row_coords)
    if not features:
        raise ArgumentError("there are no point clouds")
    return torch.cat(features), torch.cat(coords).to(torch.int32)


def _grid(pc_range: Sequence[float] | Tensor, voxel_size: Sequence[float] | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    ends = torch.as_tensor(pc_range, dtype=torch.float32)
    size = torch.as_tensor(voxel_size, dtype=torch.float32)
    if ends.shape != (2 * _AXES,) or size.shape != (_AXES,):
        raise ArgumentError(f"pc_range needs 6 values and voxel_size 3, not {ends.numel()} and {size.numel()}")
    lower, upper = ends[:_AXES], ends[_AXES:]
    if not bool((upper > lower).all()) or not bool((size > 0).all()):
        raise ArgumentError(f"pc_range {ends.tolist()} or voxel_size {size.tolist()} leaves no room")
    return lower, upper, size


def _pillars(
    points: Tensor, lower: Tensor, upper: Tensor, size: Tensor, max_voxels: int, max_points: int
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Points [M, max_points, D]; (places [M, (z, y, x)], mask [M, max_points] of rows that hold a point)."""
    lower, upper, size = (t.to(points.device) for t in (lower, upper, size))
    counts = torch.round((upper - lower) / size).to(torch.int64)
    cells = torch.floor((points[:, :_AXES] - lower) / size).to(torch.int64)
    inside = ((cells >= 0) & (cells < counts)).all(dim=1)
    points, cells = points[inside], cells[inside]
    keys = (cells[:, 2] * counts[1] + cells[:, 1]) * counts[0] + cells[:, 0]
    order, voxel, rank = _groups(keys)
    fits = (voxel < max_voxels) & (rank < max_points)
    count = min(int(voxel.max()) + 1, max_voxels) if len(voxel) else 0
    rows = points.new_zeros(count, max_points, points.shape[1])
    mask = torch.zeros(count, max_points, dtype=torch.bool, device=points.device)
    places = cells.new_zeros(count, _AXES)
    rows[voxel[fits], rank[fits]] = points[order][fits]
    mask[voxel[fits], rank[fits]] = True
    first = fits & (rank == 0)
    places[voxel[first]] = cells[order][first].flip(1)
    return rows, (places, mask)


def _groups(keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points by voxel: (their order, the number of each one's voxel, its rank inside).

    Voxels are numbered in the order of their first points; points keep their order.
    """
    order = torch.argsort(keys, stable=True)
    grouped = keys[order]
    starts = torch.ones_like(grouped, dtype=torch.bool)
    starts[1:] = grouped[1:] != grouped[:-1]
    group = starts.cumsum(0) - 1
    begin = starts.nonzero().flatten()
    number = torch.empty_like(begin)
    number[torch.argsort(order[begin])] = torch.arange(len(begin), device=keys.device)
    rank = torch.arange(len(keys), device=keys.device) - begin[group]
    return order, number[group], rank


def _normalized(
    rows: Tensor, mask: Tensor, norm_range: Sequence[float] | Tensor | None, norm_dims: Sequence[int] | None
) -> Tensor:
    if norm_range is None:
        return rows
    dims = list(range(_AXES)) if norm_dims is None else list(norm_dims)
    ends = torch.as_tensor(norm_range, dtype=torch.float32, device=rows.device)
    if ends.shape != (2 * len(dims),):
        raise ArgumentError(f"norm_range needs {2 * len(dims)} values for norm_dims {dims}, not {ends.numel()}")
    lower, upper = ends[: len(dims)], ends[len(dims) :]
    rows = rows.clone()
    rows[..., dims] = (rows[..., dims] - lower) / (upper - lower) * mask[..., None]
    return rows


def _padded(rows: Tensor, count: int, value: int) -> Tensor:
    return torch.cat([rows, rows.new_full((count - len(rows), *rows.shape[1:]), value)])
