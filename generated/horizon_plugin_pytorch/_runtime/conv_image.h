/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/conv_image.h */
/*
 * What convolutions over all channels share: images are copied, padded, so that a window is some runs of adjacent bytes: the
 * rows of the window, or its pixels where it is dilated. Weights lie as [channels out / 16][runs][bytes of a run / 4][16][4];
 * the bytes of a run are filled up with weights 0, which make what is read there not count.
 */
#define MOST_RUNS 64
#define PIXELS_AT_ONCE 384

struct dense {
    const struct layer *layer;
    struct image x, y, padded;
    int64_t runs, quads, run[MOST_RUNS]; /* quads of a run, and where runs begin */
    int is_point;                        /* one pixel: only those that are read are copied, without padding */
    int64_t copied;                      /* bytes of a copied image */
    uint8_t raised;                      /* what is added to features */
};

static struct dense dense_of(const struct layer *layer, struct image x, int64_t whole, uint8_t raised)
{
    struct dense d = {.layer = layer, .x = x, .y = result_of(layer, x)};
    const int row = layer->dilation[1] == 1;
    d.is_point = layer->high * layer->wide == 1 && !layer->pad[0] && !layer->pad[1];
    d.padded = d.is_point ? d.y : (struct image){x.high + 2 * layer->pad[0], x.wide + 2 * layer->pad[1]};
    d.copied = d.padded.high * d.padded.wide * layer->in;
    d.runs = layer->high * (row ? 1 : layer->wide);
    d.quads = CEIL(layer->in * (row ? layer->wide : 1), QUAD * whole) * whole;
    d.raised = raised;
    for (int64_t i = 0; i < d.runs; ++i) {
        const int64_t y = row ? i : i / layer->wide, column = row ? 0 : i % layer->wide;
        d.run[i] = (y * layer->dilation[0] * d.padded.wide + column * layer->dilation[1]) * layer->in;
    }
    return d;
}

/* One row of the copy of an image. */
static void copy_row(const struct dense *d, const int8_t *x, int64_t row, uint8_t *y)
{
    const struct layer *layer = d->layer;
    const int64_t in = layer->in, line = d->x.wide * in;
    if (d->is_point) {
        x += row * layer->stride[0] * line;
        if (layer->stride[1] == 1)
            raise_bytes(x, y, d->y.wide * in, d->raised);
        else
            for (int64_t i = 0; i < d->y.wide; ++i)
                raise_bytes(x + i * layer->stride[1] * in, y + i * in, in, d->raised);
        return;
    }
    const int64_t side = layer->pad[1] * in, from = row - layer->pad[0];
    if (from < 0 || from >= d->x.high) {
        memset(y, d->raised, line + 2 * side);
        return;
    }
    memset(y, d->raised, side);
    raise_bytes(x + from * line, y + side, line, d->raised);
    memset(y + side + line, d->raised, side);
}
