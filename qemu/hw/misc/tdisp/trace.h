#include "trace/trace-hw_misc_tdisp.h"
