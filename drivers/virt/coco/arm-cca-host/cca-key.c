// SPDX-License-Identifier: GPL-2.0-only
/*
 * Find the public key of the device in its certificate chain: the RMM wants the
 * host to do that. It proves nothing to the host, who trusts neither: to check
 * the chain is the business of the realm. But it is input from a device, so each
 * length is checked against the bytes that are left.
 */
#include <linux/array_size.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "cca.h"

/* A chain of SPDM: length, reserved, digest of the root, certificates (DSP0274) */
#define CHAIN_HDR		4
#define CHAIN_MAX_DIGEST	64

#define DER_INTEGER		0x02
#define DER_BIT_STRING		0x03
#define DER_OID			0x06
#define DER_SEQUENCE		0x30
#define DER_CONTEXT_0		0xa0

/**
 * struct der - Bytes that are still to be read
 * @at: the next
 * @len: how many
 */
struct der {
	const u8 *at;
	size_t len;
};

/* Take the next element off, definite lengths of up to 4 GiB */
static bool der_next(struct der *in, u8 tag, struct der *out)
{
	size_t hdr = 2, len;

	if (in->len < hdr || in->at[0] != tag)
		return false;
	len = in->at[1];
	if (len & 0x80) {
		size_t n = len & 0x7f;

		if (!n || n > 4 || in->len - hdr < n)
			return false;
		len = 0;
		for (size_t i = 0; i < n; i++)
			len = len << 8 | in->at[hdr + i];
		hdr += n;
	}
	if (len > in->len - hdr)
		return false;
	out->at = in->at + hdr;
	out->len = len;
	in->at += hdr + len;
	in->len -= hdr + len;
	return true;
}

static bool der_skip(struct der *in, u8 tag)
{
	struct der unused;

	return der_next(in, tag, &unused);
}

static bool der_is(const struct der *der, const u8 *bytes, size_t len)
{
	return der->len == len && !memcmp(der->at, bytes, len);
}

/* The key without its padding: a bit string of whole bytes */
static bool der_bits(struct der *in, struct der *out)
{
	if (!der_next(in, DER_BIT_STRING, out) || !out->len || out->at[0])
		return false;
	out->at++;
	out->len--;
	return true;
}

/* A positive number, without the byte that makes it positive */
static bool der_number(struct der *in, struct der *out)
{
	if (!der_next(in, DER_INTEGER, out) || !out->len)
		return false;
	if (!out->at[0]) {
		out->at++;
		out->len--;
	}
	return out->len;
}

static bool key_ec(const struct der *curve, const struct der *bits,
		   struct rmi_public_key *key)
{
	static const u8 p256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
	static const u8 p384[] = { 0x2b, 0x81, 4, 0, 0x22 };

	if (der_is(curve, p256, sizeof(p256)))
		key->algo = RMI_KEY_ECDSA_P256;
	else if (der_is(curve, p384, sizeof(p384)))
		key->algo = RMI_KEY_ECDSA_P384;
	else
		return false;
	key->key = bits->at;
	key->len = bits->len;
	return true;
}

static bool key_rsa(struct der bits, struct rmi_public_key *key)
{
	struct der seq, modulus, exponent;

	if (!der_next(&bits, DER_SEQUENCE, &seq) ||
	    !der_number(&seq, &modulus) || !der_number(&seq, &exponent))
		return false;
	key->algo = RMI_KEY_RSASSA_3072;
	key->key = modulus.at;
	key->len = modulus.len;
	key->meta = exponent.at;
	key->meta_len = exponent.len;
	return true;
}

/* SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) */
static bool key_info(struct der spki, struct rmi_public_key *key)
{
	static const u8 ec[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1 };
	static const u8 rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0xd, 1, 1, 1 };
	struct der algo, oid, curve, bits;

	if (!der_next(&spki, DER_SEQUENCE, &algo) ||
	    !der_next(&algo, DER_OID, &oid) || !der_bits(&spki, &bits))
		return false;
	if (der_is(&oid, rsa, sizeof(rsa)))
		return key_rsa(bits, key);
	return der_is(&oid, ec, sizeof(ec)) &&
	       der_next(&algo, DER_OID, &curve) && key_ec(&curve, &bits, key);
}

/* Certificate, TBSCertificate (RFC 5280 section 4.1) */
static bool key_of_cert(struct der cert, struct rmi_public_key *key)
{
	struct der tbs, spki;

	if (!der_next(&cert, DER_SEQUENCE, &tbs))
		return false;
	/* Version 1 has none */
	der_skip(&tbs, DER_CONTEXT_0);
	return der_skip(&tbs, DER_INTEGER) &&	/* serial number */
	       der_skip(&tbs, DER_SEQUENCE) &&	/* signature algorithm */
	       der_skip(&tbs, DER_SEQUENCE) &&	/* issuer */
	       der_skip(&tbs, DER_SEQUENCE) &&	/* validity */
	       der_skip(&tbs, DER_SEQUENCE) &&	/* subject */
	       der_next(&tbs, DER_SEQUENCE, &spki) && key_info(spki, key);
}

/*
 * The digest has the length of the negotiated hash, which the RMM knows and the
 * host does not: certificates from there on fill the chain exactly.
 */
static bool key_of_certs(struct der certs, struct rmi_public_key *key)
{
	struct der cert;

	if (!certs.len)
		return false;
	while (certs.len)
		if (!der_next(&certs, DER_SEQUENCE, &cert))
			return false;
	/* The last is the device's */
	return key_of_cert(cert, key);
}

/**
 * cca_find_key() - Find the key of the device in its certificate chain
 * @chain: as SPDM has it (DSP0274 table "Certificate chain format")
 * @len: bytes of @chain
 * @key: the key, which points into @chain
 *
 * Context: Any.
 * Return: 0, -EBADMSG if it is no chain, or one with a key that no RMM knows.
 */
int cca_find_key(const u8 *chain, size_t len, struct rmi_public_key *key)
{
	static const u8 digests[] = { 32, 48, 64 };

	if (len < CHAIN_HDR + CHAIN_MAX_DIGEST ||
	    get_unaligned_le16(chain) != len)
		return -EBADMSG;

	for (int i = 0; i < ARRAY_SIZE(digests); i++) {
		size_t hdr = CHAIN_HDR + digests[i];
		struct der certs = { chain + hdr, len - hdr };

		memset(key, 0, sizeof(*key));
		if (key_of_certs(certs, key))
			return 0;
	}
	return -EBADMSG;
}
