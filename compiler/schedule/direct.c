/* A strategy: a tile whose lanes are copied for each task, as a hull where a window reads it again and again, or
   because they do not lie in lanes. The search and the program are those of any tile. */
#include "strategy.h"

static bool direct_decide(const Question *question, Rival *rival) { return tile_search(question, COPIED, rival); }

const Strategy strategy_direct = {
    .number = STRATEGY_direct,
    .kind = GROUP_TILE,
    .followed = true,
    .start = PROGRAM_START + CHUNK_START,
    .fits = tile_fits,
    .decide = direct_decide,
    .cost = tile_cost,
    .generate = tile_generate,
    .print = tile_decided,
};
