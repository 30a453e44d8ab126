/* Where a trainer starts: the compiled object's descriptor and kernels, handed to the runtime. */
#include "runtime/runtime.h"

#include <fcntl.h>
#include <unistd.h>

/* A file that is opened later must not become standard input, output or error because these were closed: messages would
   land in a checkpoint. */
static void descriptors_open(void) {
  int descriptor;
  do descriptor = open("/dev/null", O_RDWR);
  while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) close(descriptor);
}

int main(int count, char **arguments) {
  descriptors_open();
  return trainer_main(count, arguments, ganc_descriptor, ganc_descriptor_size, ganc_kernels);
}
