/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of the protocols that a TDISP device speaks over its DOE mailbox:
 * SPDM (DSP0274), secured messages (DSP0277), TDISP and IDE_KM (PCIe r7.0,
 * sections 11 and 6.33). Only macros, no types and no includes: the kernel
 * test module, the selftests and the emulated device in QEMU share this file.
 *
 * All multi-byte fields are little endian, all structures are packed; sizes
 * and offsets are in bytes.
 */
#ifndef TDISP_PROTO_H
#define TDISP_PROTO_H

/* DOE object types, vendor PCI-SIG (0x0001) */
#define TDISP_DOE_DISCOVERY		0
#define TDISP_DOE_CMA			1
#define TDISP_DOE_SECURED_CMA		2

/*
 * SPDM messages: u8 version, u8 code, u8 param1, u8 param2, then the body.
 * The response to request code N is N & 0x7f.
 */
#define SPDM_HDR_SIZE			4
#define SPDM_VERSION_10			0x10	/* in GET_VERSION */
#define SPDM_VERSION_12			0x12	/* in all other messages */

#define SPDM_GET_DIGESTS		0x81
#define SPDM_GET_CERTIFICATE		0x82
#define SPDM_GET_VERSION		0x84
#define SPDM_GET_MEASUREMENTS		0xe0
#define SPDM_GET_CAPABILITIES		0xe1
#define SPDM_NEGOTIATE_ALGORITHMS	0xe3
#define SPDM_PSK_EXCHANGE		0xe6
#define SPDM_PSK_FINISH			0xe7
#define SPDM_END_SESSION		0xec
#define SPDM_VENDOR_DEFINED_REQUEST	0xfe
#define SPDM_VENDOR_DEFINED_RESPONSE	0x7e
#define SPDM_ERROR			0x7f	/* param1 = error, param2 = data */
#define SPDM_RSP(req)			((req) & 0x7f)

#define SPDM_ERR_INVALID_REQUEST	0x01
#define SPDM_ERR_BUSY			0x03
#define SPDM_ERR_UNEXPECTED_REQUEST	0x04
#define SPDM_ERR_UNSPECIFIED		0x05
#define SPDM_ERR_INVALID_SESSION	0x08	/* test device only */
#define SPDM_ERR_UNSUPPORTED_REQUEST	0x07
#define SPDM_ERR_VERSION_MISMATCH	0x41

/* GET_VERSION response: u8 reserved, u8 count, u16 entry[count] (major 15:12) */
#define SPDM_VERSION_COUNT_OFF		5
#define SPDM_VERSION_ENTRY_OFF		6

/*
 * GET_CAPABILITIES request and response body (16 bytes): u8 reserved,
 * u8 ct_exponent, u16 reserved, u32 flags, u32 data_transfer_size,
 * u32 max_spdm_msg_size
 */
#define SPDM_CAPS_SIZE			20
#define SPDM_CAPS_FLAGS_OFF		8
#define SPDM_CAP_CERT			0x00000002
#define SPDM_CAP_MEAS_NO_SIG		0x00000008
#define SPDM_CAP_ENCRYPT		0x00000040
#define SPDM_CAP_MAC			0x00000080
#define SPDM_CAP_PSK			0x00000400

/*
 * NEGOTIATE_ALGORITHMS is reduced to its fixed part of 32 bytes; the test
 * device offers exactly one suite, whose "cipher" is none.
 */
#define SPDM_ALGORITHMS_SIZE		32

/*
 * GET_CERTIFICATE: param1 = slot; u16 offset, u16 length.
 * CERTIFICATE: u16 portion_length, u16 remainder_length, bytes.
 */
#define SPDM_CERT_REQ_SIZE		8
#define SPDM_CERT_RSP_HDR_SIZE		8

/*
 * GET_MEASUREMENTS: param1 = 0, param2 = 0xff (all), no signature.
 * MEASUREMENTS: u8 number_of_blocks, u24 record_length, record, nonce[32],
 * u16 opaque_length (0).
 */
#define SPDM_MEAS_ALL			0xff
#define SPDM_MEAS_RSP_HDR_SIZE		8
#define SPDM_MEAS_NONCE_SIZE		32

/*
 * PSK_EXCHANGE: u16 req_session_id, u16 psk_hint_length, u16 context_length,
 * u16 opaque_length, hint. The hint names the one suite there is, so that
 * nobody takes it for a protected session.
 * PSK_EXCHANGE_RSP: u16 rsp_session_id, u16 reserved, u16 context_length,
 * u16 opaque_length (both 0).
 * The session id is rsp_session_id << 16 | req_session_id.
 * PSK_FINISH and END_SESSION have no body and travel in the session.
 */
#define SPDM_PSK_EXCHANGE_HDR_SIZE	12
#define SPDM_PSK_EXCHANGE_RSP_SIZE	12
#define SPDM_NULL_CIPHER_HINT		"tdisp-test-null-cipher"

/*
 * Secured message record of DOE type 2: u32 session_id, u16 length (of all
 * that follows), then u16 app_data_length, application data, MAC. No sequence
 * number and no random padding on DOE. With the null cipher the text is plain
 * and the MAC is all zero.
 */
#define SPDM_SECURED_HDR_SIZE		6
#define SPDM_SECURED_APP_HDR_SIZE	2
#define SPDM_SECURED_MAC_SIZE		16

/*
 * VENDOR_DEFINED_REQUEST and _RESPONSE body: u16 standard_id,
 * u8 vendor_id_length (2), u16 vendor_id, u16 payload_length,
 * u8 protocol_id, payload. payload_length counts protocol_id and payload.
 */
#define SPDM_VDM_HDR_SIZE		12	/* SPDM header up to protocol_id */
#define SPDM_VDM_STANDARD_PCISIG	3
#define SPDM_VDM_VENDOR_PCISIG		1
#define SPDM_VDM_PROTO_IDE_KM		0
#define SPDM_VDM_PROTO_TDISP		1

/*
 * TDISP header: u8 version, u8 message type, u16 reserved, then the interface
 * id: u32 function_id (bits 15:0 requester id, 23:16 segment, 24 segment
 * valid), u64 reserved
 */
#define TDISP_HDR_SIZE			16
#define TDISP_VERSION_10		0x10

#define TDISP_GET_VERSION		0x81
#define TDISP_GET_CAPABILITIES		0x82
#define TDISP_LOCK_INTERFACE		0x83
#define TDISP_GET_INTERFACE_REPORT	0x84
#define TDISP_GET_INTERFACE_STATE	0x85
#define TDISP_START_INTERFACE		0x86
#define TDISP_STOP_INTERFACE		0x87
#define TDISP_BIND_P2P_STREAM		0x88
#define TDISP_UNBIND_P2P_STREAM		0x89
#define TDISP_SET_MMIO_ATTRIBUTE	0x8a
#define TDISP_VDM			0x8b
#define TDISP_RSP(req)			((req) & 0x7f)
#define TDISP_ERROR			0x7f

/* Body sizes (after the header) */
#define TDISP_VERSION_RSP_MIN_SIZE	2	/* u8 count, u8 version[count] */
#define TDISP_CAPS_REQ_SIZE		4	/* u32 tsm_caps */
#define TDISP_CAPS_RSP_SIZE		28
#define TDISP_LOCK_REQ_SIZE		20
#define TDISP_NONCE_SIZE		32	/* LOCK response, START request */
#define TDISP_REPORT_REQ_SIZE		4	/* u16 offset, u16 length */
#define TDISP_REPORT_RSP_HDR_SIZE	4	/* u16 portion, u16 remainder */
#define TDISP_STATE_RSP_SIZE		1
#define TDISP_P2P_REQ_SIZE		1
#define TDISP_MMIO_ATTR_REQ_SIZE	16
#define TDISP_ERROR_RSP_SIZE		8	/* u32 error_code, u32 error_data */

/* LOCK request body */
#define TDISP_LOCK_FLAGS_OFF		0	/* u16 */
#define TDISP_LOCK_STREAM_OFF		2	/* u8 */
#define TDISP_LOCK_MMIO_OFFSET_OFF	4	/* u64 */
#define TDISP_LOCK_P2P_MASK_OFF		12	/* u64 */

#define TDISP_LOCK_NO_FW_UPDATE		0x0001
#define TDISP_LOCK_CACHE_LINE_128	0x0002
#define TDISP_LOCK_MSIX			0x0004
#define TDISP_LOCK_BIND_P2P		0x0008
#define TDISP_LOCK_ALL_REQUEST_REDIRECT	0x0010

/* TDISP_CAPABILITIES response body */
#define TDISP_CAPS_DSM_CAPS_OFF		0	/* u32 */
#define TDISP_CAPS_MSGS_OFF		4	/* u8[16], bit = request code & 0x7f */
#define TDISP_CAPS_LOCK_FLAGS_OFF	20	/* u16 */
#define TDISP_CAPS_ADDR_WIDTH_OFF	25	/* u8 */
#define TDISP_CAPS_NUM_REQ_THIS_OFF	26	/* u8 */
#define TDISP_CAPS_NUM_REQ_ALL_OFF	27	/* u8 */

/* Device interface report, put together from its portions */
#define TDISP_REPORT_INFO_OFF		0	/* u16 */
#define TDISP_REPORT_MSIX_CTRL_OFF	4	/* u16 */
#define TDISP_REPORT_LNR_CTRL_OFF	6	/* u16 */
#define TDISP_REPORT_TPH_CTRL_OFF	8	/* u32 */
#define TDISP_REPORT_RANGE_COUNT_OFF	12	/* u32 */
#define TDISP_REPORT_RANGES_OFF		16
#define TDISP_REPORT_RANGE_SIZE		16

#define TDISP_REPORT_INFO_NO_UPDATE	0x0001
#define TDISP_REPORT_INFO_DMA_NO_PASID	0x0002
#define TDISP_REPORT_INFO_DMA_PASID	0x0004
#define TDISP_REPORT_INFO_ATS		0x0008
#define TDISP_REPORT_INFO_PRS		0x0010

/* MMIO range record */
#define TDISP_RANGE_FIRST_PAGE_OFF	0	/* u64, 4 KiB page + reporting offset */
#define TDISP_RANGE_PAGES_OFF		8	/* u32 */
#define TDISP_RANGE_ATTR_OFF		12	/* u16 */
#define TDISP_RANGE_ID_OFF		14	/* u16, BAR equivalent indicator */

#define TDISP_RANGE_MSIX_TABLE		0x0001
#define TDISP_RANGE_MSIX_PBA		0x0002
#define TDISP_RANGE_NON_TEE		0x0004
#define TDISP_RANGE_ATTR_UPDATABLE	0x0008

/* TDI states */
#define TDISP_STATE_UNLOCKED		0
#define TDISP_STATE_LOCKED		1
#define TDISP_STATE_RUN			2
#define TDISP_STATE_ERROR		3

/* TDISP error codes */
#define TDISP_ERR_INVALID_REQUEST	0x001
#define TDISP_ERR_BUSY			0x003
#define TDISP_ERR_INVALID_STATE		0x004
#define TDISP_ERR_UNSPECIFIED		0x005
#define TDISP_ERR_UNSUPPORTED_REQUEST	0x007
#define TDISP_ERR_VERSION_MISMATCH	0x041
#define TDISP_ERR_VENDOR_SPECIFIC	0x0ff
#define TDISP_ERR_INVALID_INTERFACE	0x101
#define TDISP_ERR_INVALID_NONCE		0x102
#define TDISP_ERR_INSUFFICIENT_ENTROPY	0x103
#define TDISP_ERR_INVALID_CONFIG	0x104

/*
 * IDE_KM objects. KEY_PROG: u8 object, u16 reserved, u8 stream_id,
 * u8 reserved, u8 key_sub_stream, u8 port_index, key[32], ifv[8].
 * KP_ACK: the same up to port_index, the status at offset 4.
 * K_SET_GO, K_SET_STOP, K_GOSTOP_ACK: like KEY_PROG up to port_index.
 * QUERY: u8 object, u8 reserved, u8 port_index.
 */
#define IDE_KM_QUERY			0
#define IDE_KM_QUERY_RESP		1
#define IDE_KM_KEY_PROG			2
#define IDE_KM_KP_ACK			3
#define IDE_KM_K_SET_GO			4
#define IDE_KM_K_SET_STOP		5
#define IDE_KM_K_GOSTOP_ACK		6

#define IDE_KM_STREAM_OFF		3
#define IDE_KM_STATUS_OFF		4
#define IDE_KM_SUB_STREAM_OFF		5
#define IDE_KM_PORT_OFF			6
#define IDE_KM_HDR_SIZE			7
#define IDE_KM_KEY_SIZE			32
#define IDE_KM_IFV_SIZE			8
#define IDE_KM_KEY_PROG_SIZE		(IDE_KM_HDR_SIZE + IDE_KM_KEY_SIZE + \
					 IDE_KM_IFV_SIZE)

#define IDE_KM_SUB_KEY_SET		0x01	/* 0 = K0, 1 = K1 */
#define IDE_KM_SUB_TX			0x02	/* 0 = RX, 1 = TX */
#define IDE_KM_SUB_STREAM(n)		((n) << 4)	/* 0 PR, 1 NPR, 2 CPL */
#define IDE_KM_NR_SUB_STREAMS		3

#define IDE_KM_OK			0
#define IDE_KM_BAD_LENGTH		1
#define IDE_KM_BAD_PORT			2
#define IDE_KM_UNSUPPORTED_VALUE	3
#define IDE_KM_UNSPECIFIED		4

#endif /* TDISP_PROTO_H */
