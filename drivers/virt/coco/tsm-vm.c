// SPDX-License-Identifier: GPL-2.0-only
/*
 * Providers of VMs for the backends of link TSMs, see tsm-vm.h: a list with one
 * for each type of VM at most.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/tsm-vm.h>

/* Held for no more than a look at the list, inside of any DSM lock */
static DEFINE_MUTEX(tsm_vm_lock);
static LIST_HEAD(tsm_vm_providers);

static struct tsm_vm_provider *tsm_vm_find(enum tsm_vm_type type)
{
	struct tsm_vm_provider *provider;

	lockdep_assert_held(&tsm_vm_lock);

	list_for_each_entry(provider, &tsm_vm_providers, node)
		if (provider->type == type)
			return provider;
	return NULL;
}

/**
 * tsm_vm_register() - Offer VMs of a type to the backends
 * @provider: what to do for them, stays where it is until unregistered
 *
 * Context: Process context.
 * Return: 0, or -EBUSY if somebody else provides VMs of that type.
 */
int tsm_vm_register(struct tsm_vm_provider *provider)
{
	guard(mutex)(&tsm_vm_lock);
	if (tsm_vm_find(provider->type))
		return -EBUSY;
	list_add_tail(&provider->node, &tsm_vm_providers);
	return 0;
}
EXPORT_SYMBOL_GPL(tsm_vm_register);

/**
 * tsm_vm_unregister() - Nobody gets the provider any more
 * @provider: was registered
 *
 * Who has it holds a reference on its module. To unregister is for when that
 * goes away, or for who knows that there are no users.
 *
 * Context: Process context.
 */
void tsm_vm_unregister(struct tsm_vm_provider *provider)
{
	guard(mutex)(&tsm_vm_lock);
	list_del(&provider->node);
}
EXPORT_SYMBOL_GPL(tsm_vm_unregister);

/**
 * tsm_vm_get() - Find out who can tell a backend of a VM
 * @type: of the VMs that the backend is for
 * @kvm: the VM, kept by the caller
 *
 * Context: Process context, the DSM lock may be held.
 * Return: the provider, to be given back with tsm_vm_put(), -EINVAL for a VM of
 *	another type, -EOPNOTSUPP without a provider, or with one that refuses.
 */
const struct tsm_vm_provider *tsm_vm_get(enum tsm_vm_type type, struct kvm *kvm)
{
	struct tsm_vm_provider *provider;
	int rc;

	scoped_guard(mutex, &tsm_vm_lock) {
		provider = tsm_vm_find(type);
		if (!provider || !try_module_get(provider->owner))
			return ERR_PTR(-EOPNOTSUPP);
	}

	rc = provider->validate(kvm);
	if (rc) {
		module_put(provider->owner);
		return ERR_PTR(rc);
	}
	return provider;
}
EXPORT_SYMBOL_GPL(tsm_vm_get);

/**
 * tsm_vm_put() - The backend is done with a VM
 * @provider: from tsm_vm_get()
 *
 * Context: Any.
 */
void tsm_vm_put(const struct tsm_vm_provider *provider)
{
	module_put(provider->owner);
}
EXPORT_SYMBOL_GPL(tsm_vm_put);
