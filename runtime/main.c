/* Where a trainer starts: the compiled object's descriptor and kernels, handed to the runtime. */
#include "runtime/runtime.h"

int main(int count, char **arguments) { return trainer_main(count, arguments, ganc_descriptor, ganc_descriptor_size, ganc_kernels); }
