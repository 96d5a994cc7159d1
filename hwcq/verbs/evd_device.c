//go:build verbs && cgo && linux

// Devices and their asynchronous events.

#include "evd_verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// evd_devices lists the devices that libibverbs has a provider for; count may
// exceed room.
int evd_devices(struct evd_device *out, int room, int *count)
{
	struct ibv_device **list;
	int n = 0;

	*count = 0;
	errno = ENOSYS; // where the call leaves it alone
	list = ibv_get_device_list(&n);
	if (!list)
		return errno;
	for (int i = 0; i < n && i < room; i++) {
		snprintf(out[i].name, sizeof out[i].name, "%s", ibv_get_device_name(list[i]));
		snprintf(out[i].node, sizeof out[i].node, "/dev/infiniband/%s", list[i]->dev_name);
	}
	*count = n;
	ibv_free_device_list(list);
	return 0;
}

int evd_open(const char *name, struct ibv_context **out)
{
	struct ibv_device **list;
	int n = 0, e = ENODEV;

	list = ibv_get_device_list(&n);
	if (!list)
		return errno ? errno : ENODEV;
	for (int i = 0; i < n; i++) {
		if (strcmp(ibv_get_device_name(list[i]), name))
			continue;
		errno = EIO; // where the provider leaves it alone
		*out = ibv_open_device(list[i]);
		e = *out ? 0 : errno;
		break;
	}
	ibv_free_device_list(list);
	return e;
}

// evd_async_event takes an event and acknowledges it at once: from then on the
// object may be destroyed, so only its id is handed on. EAGAIN: there is none.
int evd_async_event(struct ibv_context *context, struct evd_async *out)
{
	struct ibv_async_event ev;

	if (ibv_get_async_event(context, &ev))
		return errno;
	memset(out, 0, sizeof *out);
	out->type = ev.event_type;
	switch (ev.event_type) {
	case IBV_EVENT_CQ_ERR:
		out->what = EVD_ASYNC_CQ;
		out->id = (uintptr_t)ev.element.cq->cq_context;
		break;
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_QP_ACCESS_ERR:
	case IBV_EVENT_COMM_EST:
	case IBV_EVENT_SQ_DRAINED:
	case IBV_EVENT_PATH_MIG:
	case IBV_EVENT_PATH_MIG_ERR:
	case IBV_EVENT_QP_LAST_WQE_REACHED:
		out->what = EVD_ASYNC_QP;
		out->id = (uintptr_t)ev.element.qp->qp_context;
		break;
	case IBV_EVENT_PORT_ACTIVE:
	case IBV_EVENT_PORT_ERR:
	case IBV_EVENT_LID_CHANGE:
	case IBV_EVENT_PKEY_CHANGE:
	case IBV_EVENT_SM_CHANGE:
	case IBV_EVENT_CLIENT_REREGISTER:
	case IBV_EVENT_GID_CHANGE:
		out->what = EVD_ASYNC_PORT;
		out->id = ev.element.port_num;
		break;
	default:
		out->what = EVD_ASYNC_DEVICE;
	}
	ibv_ack_async_event(&ev);
	return 0;
}

// These two are macros of verbs.h, which Go cannot call.

int evd_query_port(struct ibv_context *context, int port, struct ibv_port_attr *out)
{
	return ibv_query_port(context, port, out);
}

int evd_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access, struct ibv_mr **out)
{
	errno = EIO; // where the provider leaves it alone
	*out = ibv_reg_mr(pd, addr, length, access);
	return *out ? 0 : errno;
}
