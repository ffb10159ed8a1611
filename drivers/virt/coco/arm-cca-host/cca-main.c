// SPDX-License-Identifier: GPL-2.0-only
/*
 * Link TSM of the Arm Confidential Compute Architecture: devices of realms, by
 * calls of the Realm Management Monitor.
 *
 * The kernel has neither realms nor an interface to the RMM yet, so there is
 * nothing to find it by, see rmi-assumed.h: the module does not load, and says
 * nothing.
 */
#include <linux/arm-smccc.h>
#include <linux/device/faux.h>
#include <linux/module.h>

#include "cca.h"

static struct faux_device *cca_faux;

static bool __init cca_has_conduit(void)
{
	return IS_ENABLED(CONFIG_ARM64) && rmi_may_assume() &&
	       arm_smccc_get_version() >= ARM_SMCCC_VERSION_1_2 &&
	       arm_smccc_1_1_get_conduit() == SMCCC_CONDUIT_SMC;
}

static int __init cca_init(void)
{
	int rc;

	if (!cca_has_conduit())
		return -ENODEV;
	cca_faux = faux_device_create("arm-cca-host", NULL, NULL);
	if (!cca_faux)
		return -ENODEV;
	rc = cca_host_start(&cca_faux->dev, RMI_2_0_BET1);
	if (rc)
		faux_device_destroy(cca_faux);
	return rc;
}
module_init(cca_init);

static void __exit cca_exit(void)
{
	cca_host_stop();
	faux_device_destroy(cca_faux);
}
module_exit(cca_exit);

MODULE_IMPORT_NS("PCI_IDE");
MODULE_DESCRIPTION("Arm CCA link TSM");
MODULE_LICENSE("GPL");
