/* Where a trainer starts: the compiled object's descriptor and kernels, handed to the runtime. */
#include "runtime/runtime.h"

#include <fcntl.h>
#include <unistd.h>

/* A file that is opened later must not become standard input, output or error because these were closed: messages would
   land in a checkpoint. What stands there instead can not be used: whoever tries learns that. */
static void descriptors_open(void) {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++) /* open gives the first that is free */
    if (fcntl(descriptor, F_GETFD) < 0) open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int count, char **arguments) {
  descriptors_open();
  return trainer_main(count, arguments, ganc_descriptor, ganc_descriptor_size, ganc_kernels);
}
