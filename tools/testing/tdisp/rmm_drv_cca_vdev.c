// SPDX-License-Identifier: GPL-2.0-only
/* The driver under test, whose conduit is the model's */
#include "../../../drivers/virt/coco/arm-cca-host/cca-vdev.c"
