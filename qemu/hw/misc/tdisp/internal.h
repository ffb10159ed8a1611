/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: what its parts share.
 *
 * A device is one to eight PCI functions (TdispFn), and up to eight virtual
 * ones of function 0, with one device security manager (TdispDsm) behind the
 * DOE mailbox of function 0. The DSM owns what
 * exists once per device: mailbox, SPDM connection and session, IDE keys. A
 * function owns its BARs, its DMA engine and its TDI state. Everything runs
 * under the BQL.
 */
#ifndef HW_MISC_TDISP_INTERNAL_H
#define HW_MISC_TDISP_INTERNAL_H

#include "hw/pci/pci_device.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_doe.h"
#include "hw/misc/tdisp-proto.h"
#include "hw/misc/tdisp-testdev.h"
#include "qapi/qapi-types-common.h"
#include "qemu/queue.h"
#include "qemu/timer.h"
#include "qom/object.h"

#define TYPE_TDISP_TESTDEV      "tdisp-testdev"
#define TYPE_TDISP_TESTDEV_FN   "tdisp-testdev-function"
#define TYPE_TDISP_TESTDEV_VF   "tdisp-testdev-vf"
#define TYPE_TDISP_TESTCTL      "tdisp-testctl"
#define TYPE_TDISP_ROOT_PORT    "tdisp-root-port"

/* The second argument of class_init became const in QEMU 10.1 */
#if QEMU_VERSION_MAJOR > 10 || \
    (QEMU_VERSION_MAJOR == 10 && QEMU_VERSION_MINOR >= 1)
typedef const void TdispClassData;
#else
typedef void TdispClassData;
#endif

#define TDISP_MAX_FN            8
#define TDISP_MAX_VF            8
#define TDISP_MAX_TDI           (TDISP_MAX_FN + TDISP_MAX_VF)
#define TDISP_MAX_MSG           16384   /* largest DOE payload either way */
#define TDISP_MAX_EXTRA         4096    /* largest positive x-length-delta */
#define TDISP_MAX_PORTION       4096    /* of a report, in one response */
#define TDISP_REPORT_RANGES     4
#define TDISP_REPORT_INFO_SIZE  16      /* device specific information */
#define TDISP_REPORT_SIZE       (TDISP_REPORT_RANGES_OFF + \
                                 TDISP_REPORT_RANGES * \
                                 TDISP_REPORT_RANGE_SIZE + \
                                 4 + TDISP_REPORT_INFO_SIZE)

/* Extended capabilities; function 0 alone has a mailbox and streams */
#define TDISP_DOE_OFFSET        0x100
#define TDISP_ACS_OFFSET        0x140
#define TDISP_ARI_OFFSET        0x180
#define TDISP_IDE_OFFSET        0x200
#define TDISP_SRIOV_OFFSET      0x280
#define TDISP_EP_STREAMS        2
#define TDISP_RP_STREAMS        4
#define TDISP_IDE_NR_ASSOC      2

typedef struct TdispDsm TdispDsm;

OBJECT_DECLARE_SIMPLE_TYPE(TdispFn, TDISP_TESTDEV)

/* What tdisp-testctl can set at any time */
typedef struct TdispFaults {
    uint32_t lock_error;
    uint32_t stop_error;
    uint32_t stall_ms;
    uint32_t length_msg;
    int32_t length_delta;
    uint32_t error_after;       /* messages left; 0 is "never" */
    bool wrong_nonce;
    bool trusted_dma;
} TdispFaults;

typedef struct TdispDma {
    uint64_t src;
    uint64_t dst;
    uint32_t len;
    uint32_t dir;
    uint32_t vector;
    uint32_t status;
    uint32_t count;
    uint32_t done;              /* bytes of the transfer under way */
    uint64_t cur_src;           /* registers as latched by the doorbell */
    uint64_t cur_dst;
    uint32_t cur_len;
    uint32_t cur_dir;
    QEMUBH *bh;
} TdispDma;

/* Pages of a BAR that a hypervisor has mapped as private */
typedef struct TdispTee {
    unsigned long *private;
    unsigned long nr;
    unsigned long count;
} TdispTee;

/* The TDI: state of TDISP for one function (PCIe r6.0 section 11.2) */
typedef struct Tdi {
    uint32_t state;
    uint16_t lock_flags;
    uint8_t stream_id;
    uint64_t p2p_streams[4];    /* bitmap of the bound stream ids */
    bool was_run;               /* holds secrets since the last LOCK */
    bool mem_non_tee;           /* BAR 2 by SET_MMIO_ATTRIBUTE */
    uint8_t nonce[TDISP_NONCE_SIZE];
    uint8_t report[TDISP_REPORT_SIZE];
    uint64_t range_page[TDISP_REPORT_RANGES];   /* as reported */
    uint32_t range_pages[TDISP_REPORT_RANGES];
} Tdi;

struct TdispFn {
    PCIDevice parent_obj;

    /* Properties */
    uint64_t mem_size;
    uint8_t functions;
    uint8_t vfs;
    bool regs_64bit;
    OnOffAuto ide;
    uint16_t report_portion;
    bool stop_unlocked_error;
    bool mem_attr_updatable;
    bool stall_after;
    TdispFaults faults;

    TdispDsm *dsm;
    Tdi tdi;
    uint8_t af_cap;
    bool in_flr;
    bool mse;                   /* as last logged */
    bool bme;
    bool has_sriov;
    bool vf_present;

    MemoryRegion regs;          /* BAR 0 */
    MemoryRegion bar_mem;       /* containers */
    MemoryRegion bar_msix;
    MemoryRegion mem;
    MemoryRegion tee_gate;      /* before what not everybody may reach */
    MemoryRegion ones_msix;
    MemoryRegion msix_guard;

    TdispTee tee_regs;
    TdispTee tee_mem;

    uint32_t scratch[2];
    TdispDma dma;

    QTAILQ_ENTRY(TdispFn) next;
};

typedef QTAILQ_HEAD(TdispFnList, TdispFn) TdispFnList;

/* All test functions of the machine, in the order of their creation */
extern TdispFnList tdisp_functions;

/* Geometry of an IDE capability; its state is in configuration space */
typedef struct TdispIde {
    PCIDevice *dev;
    uint16_t offset;
    uint8_t nr_streams;
    uint8_t nr_assoc;
} TdispIde;

/* Keys of one stream; a bit per direction and sub-stream, two key sets */
typedef struct TdispStreamKeys {
    bool used;
    uint8_t id;
    uint8_t keyed[2];
    uint8_t go[2];
} TdispStreamKeys;

typedef enum SpdmPhase {
    SPDM_PHASE_START,
    SPDM_PHASE_VERSION,
    SPDM_PHASE_CAPABILITIES,
    SPDM_PHASE_NEGOTIATED,
} SpdmPhase;

typedef enum SessionPhase {
    SESSION_NONE,
    SESSION_HANDSHAKE,
    SESSION_ESTABLISHED,
} SessionPhase;

struct TdispDsm {
    TdispFn *fn[TDISP_MAX_TDI]; /* VFs from TDISP_MAX_FN on */
    unsigned refs;
    bool removed;

    /* Mailbox: one request at a time */
    DOECap *doe;
    QEMUTimer *stall;
    uint8_t doe_type;
    bool answered;              /* rsp is made, the stall holds it back */
    uint8_t req[TDISP_MAX_MSG];
    uint8_t rsp[TDISP_MAX_MSG];
    size_t req_len;
    size_t rsp_len;

    /* SPDM */
    SpdmPhase phase;
    SessionPhase session;
    uint32_t session_id;
    uint16_t next_session;

    /* IDE; ide.nr_streams is 0 without the capability */
    TdispIde ide;
    TdispStreamKeys keys[TDISP_EP_STREAMS];
    uint8_t secure_id[TDISP_EP_STREAMS];
};

/* log.c */
void tdisp_log(PCIDevice *dev, uint32_t type, uint32_t arg0, uint32_t arg1,
               uint32_t arg2);
void tdisp_log_reset(void);
uint32_t tdisp_log_count(void);
uint32_t tdisp_log_read(uint32_t offset);

/* testdev.c */
uint16_t tdisp_rid(PCIDevice *dev);
void tdisp_update_access(TdispFn *fn);
void tdisp_scrub(TdispFn *fn);
void tdisp_dma_stop(TdispFn *fn, uint32_t status);
void tdisp_set_removed(TdispDsm *dsm, bool removed);
void tdisp_log_command(TdispFn *fn);
void tdisp_inherit(TdispFn *fn, const TdispFn *fn0);
uint8_t tdisp_regs_type(const TdispFn *fn);
unsigned tdisp_bar_bytes(const TdispFn *fn, unsigned bar);
void tdisp_realize(PCIDevice *dev, Error **errp);

/* vf.c */
unsigned tdisp_index(PCIDevice *dev);
void tdisp_ari_init(TdispFn *fn, uint16_t offset);
bool tdisp_vf_init(TdispFn *pf, Error **errp);
void tdisp_vf_exit(TdispFn *pf);
void tdisp_vf_config_write(TdispFn *pf, uint32_t addr, int len);
uint32_t tdisp_vf_config_read(uint32_t addr, int len, uint32_t val);
bool tdisp_vf_presence(TdispFn *fn);

/* tee.c, cpu-*.c */
extern const MemoryRegionOps tdisp_tee_mem_ops;
void tdisp_tee_init(TdispFn *fn);
void tdisp_tee_exit(TdispFn *fn);
void tdisp_tee_reset(TdispFn *fn);
void tdisp_tee_mark(uint64_t page, uint64_t count, bool private);
uint32_t tdisp_tee_pages(TdispFn *fn);
bool tdisp_tee_access(TdispFn *fn, TdispTee *tee, hwaddr addr);
bool tdisp_cpu_in_guest(void);

/* tdi.c: messages and state machine of TDISP */
void tdi_set_state(TdispFn *fn, uint32_t state, uint32_t why);
void tdi_violation(TdispFn *fn, uint32_t why);
void tdi_violation_all(TdispDsm *dsm, uint32_t why);
void tdi_stream_lost(TdispDsm *dsm, uint8_t stream_id);
TdispFn *tdi_find(TdispDsm *dsm, uint32_t function_id);
size_t tdi_message(TdispDsm *dsm, const uint8_t *req, size_t len,
                   uint8_t *rsp);

/* doe.c */
void tdisp_doe_init(TdispFn *fn);
void tdisp_doe_exit(TdispFn *fn);
void tdisp_doe_abort(TdispDsm *dsm);
void tdisp_doe_write(TdispFn *fn, uint32_t addr, uint32_t val, int len);

/* spdm.c */
void spdm_reset(TdispDsm *dsm);
void spdm_session_drop(TdispDsm *dsm);
size_t spdm_message(TdispDsm *dsm, const uint8_t *req, size_t len,
                    uint8_t *rsp);
size_t spdm_secured_message(TdispDsm *dsm, const uint8_t *req, size_t len,
                            uint8_t *rsp);

/* cert.c */
extern const uint8_t tdisp_test_certs[];
extern const size_t tdisp_test_certs_size;
extern const size_t tdisp_test_root_size;

/* ide.c: capability of either end, keys of the endpoint */
void tdisp_ide_init(TdispIde *ide, PCIDevice *dev, uint8_t nr_streams);
void tdisp_ide_reset(TdispIde *ide);
size_t tdisp_ide_dump(const TdispIde *ide, uint8_t *buf);
bool tdisp_ide_id_secure(const TdispIde *ide, uint8_t id);
bool tdisp_ide_key_prog(TdispDsm *dsm, uint8_t id, unsigned set, uint8_t bit,
                        uint8_t *status);
void tdisp_ide_go(TdispDsm *dsm, uint8_t id, unsigned set, uint8_t bit,
                  uint8_t *status);
void tdisp_ide_stop(TdispDsm *dsm, uint8_t id, unsigned set, uint8_t bit);
void tdisp_ide_update(TdispDsm *dsm);
void tdisp_ide_drop_keys(TdispDsm *dsm);
TdispIde tdisp_ide_of_port(PCIDevice *port);
void tdisp_ide_update_port(PCIDevice *port);
bool tdisp_ide_below_port(PCIDevice *dev);

/* ide-km.c */
size_t ide_km_message(TdispDsm *dsm, const uint8_t *req, size_t len,
                      uint8_t *rsp, uint8_t *error);

#endif /* HW_MISC_TDISP_INTERNAL_H */
