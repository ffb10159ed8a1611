// SPDX-License-Identifier: GPL-2.0-only
/* Say what is missing before the linker complains about symbols */
#include <linux/kconfig.h>

#if !IS_ENABLED(CONFIG_PCI_TSM)
#error "The soft TSM needs CONFIG_PCI_TSM=y"
#endif
#if !IS_ENABLED(CONFIG_PCI_IDE)
#error "The soft TSM needs CONFIG_PCI_IDE=y"
#endif
#if !IS_ENABLED(CONFIG_PCI_DOE)
#error "The soft TSM needs CONFIG_PCI_DOE=y"
#endif
