/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/sums.h */
/* Sums of integers, exact: [outer][count][inner] -> [outer][inner]. Before this text stands their type `element`, of at most 16
   bits, so that 32 bits hold the sum of a run. */
#include <stdint.h>
#define BLOCK 512
#define RUN 32768

static void add_row(const element *restrict x, int64_t count, int64_t *y)
{
    int64_t sum = 0;
    for (int64_t begin = 0; begin < count; begin += RUN) {
        const int64_t end = begin + RUN < count ? begin + RUN : count;
        int32_t run = 0;
        for (int64_t i = begin; i < end; ++i)
            run += x[i];
        sum += run;
    }
    *y = sum;
}

static void add_rows(const element *restrict x, int64_t count, int64_t inner, int64_t block, int64_t *restrict y)
{
    for (int64_t i = 0; i < block; ++i)
        y[i] = 0;
    for (int64_t begin = 0; begin < count; begin += RUN) {
        const int64_t end = begin + RUN < count ? begin + RUN : count;
        int32_t run[BLOCK] = {0};
        for (int64_t row = begin; row < end; ++row)
            for (int64_t i = 0; i < block; ++i)
                run[i] += x[row * inner + i];
        for (int64_t i = 0; i < block; ++i)
            y[i] += run[i];
    }
}

void run(const element *x, int64_t *y, int64_t outer, int64_t count, int64_t inner, int threads)
{
    const int64_t blocks = (inner + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static) collapse(2) if (threads > 1 && outer * count * inner > 65536)
    for (int64_t i = 0; i < outer; ++i)
        for (int64_t block = 0; block < blocks; ++block) {
            const int64_t begin = block * BLOCK, left = inner - begin;
            if (inner == 1)
                add_row(x + i * count, count, y + i);
            else
                add_rows(x + i * count * inner + begin, count, inner, left < BLOCK ? left : BLOCK, y + i * inner + begin);
        }
}
