/* Memory of a running model: one persistent block, one arena, a workspace per worker. Takes the sizes the compiler
   planned; returns zeroed blocks aligned to 64 bytes, in huge pages where the system gives them, each between two
   inaccessible pages: a kernel that leaves its block stops at once instead of spoiling another. Never moves, grows or
   shares a block. */
#include "runtime/runtime.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

/* The block ends where the page behind it begins, so that reading past its end is seen; in front up to a page of slack
   is left. */
static bool block_create(Block *block, int64_t bytes, const char *what, Problem *problem) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), used = round_up((size_t)(bytes > 0 ? bytes : 1), ALIGNMENT),
         inner = round_up(used, page);
  void *mapping = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return problem_out_of_memory(problem, what, used);
  *block = (Block){.mapping = mapping,
                   .mapped = inner + 2 * page,
                   .data = (uint8_t *)mapping + page + (inner - used),
                   .bytes = used};
  if (mprotect((uint8_t *)mapping + page, inner, PROT_READ | PROT_WRITE) != 0)
    return problem_out_of_memory(problem, what, used);
  (void)madvise((uint8_t *)mapping + page, inner, MADV_HUGEPAGE); /* a wish: the system may not know it */
  return true;
}

static void block_release(Block *block) {
  if (block->mapping) munmap(block->mapping, block->mapped);
  *block = (Block){0};
}

bool memory_create(Memory *memory, const Descriptor *model, int workers, Problem *problem) {
  *memory = (Memory){0};
  bool made = block_create(&memory->persistent, model->header->persistent_bytes, "weights and states", problem) &&
              block_create(&memory->arena, model->header->arena_bytes, "values", problem);
  for (; made && memory->workspace_count < workers; memory->workspace_count++)
    made = block_create(&memory->workspaces[memory->workspace_count], model->header->workspace_bytes,
                        "a thread's workspace", problem);
  if (!made) memory_release(memory);
  return made;
}

void memory_release(Memory *memory) {
  block_release(&memory->persistent);
  block_release(&memory->arena);
  for (int k = 0; k < THREAD_LIMIT; k++) block_release(&memory->workspaces[k]);
  memory->workspace_count = 0;
}

void *allocate_zeroed(size_t count, size_t size) {
  if (size && count > SIZE_MAX / size) return NULL;
  size_t bytes = count * size;
  void *memory = system_allocate(bytes > 0 ? bytes : 1);
  if (memory) memset(memory, 0, bytes);
  return memory;
}

void *memory_at(const Memory *memory, int64_t place, int64_t offset) {
  return (place == PLACE_ARENA ? memory->arena.data : memory->persistent.data) + offset;
}
