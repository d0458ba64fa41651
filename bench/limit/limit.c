/*
 * The least time that the curve work of one commitment can take: libsecp256k1 called from C, nothing between.
 *
 *   limit --htlcs N --rounds R --low-r 0|1 --work sign|verify  < lines
 *
 * Lines of 64 hex digits: the funding key, the secret of the HTLC basepoint, then for each round the tweak of its
 * HTLC key and N + 1 digests. Timed are the keys of a commitment (BOLT 3, "Key Derivation", without the hashes that
 * make the tweaks), and then `sign`: N + 1 signatures for the counterparty's, or `verify`: N + 1 signatures checked
 * for the holder's. Prints p50 and p10 of the rounds in microseconds, the number of signatures tried, and the XOR of
 * those kept, so that whoever compares can see that both did the same work.
 */
#define _POSIX_C_SOURCE 200809L
#include <secp256k1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef unsigned char byte;

static secp256k1_context *ctx;
static byte sink[33];

static void fail(const char *what) {
  fprintf(stderr, "limit: %s\n", what);
  exit(1);
}

static void must(int ok, const char *what) {
  if (!ok) fail(what);
}

static int digit(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

static void read_line(byte out[32]) {
  char line[80];
  must(fgets(line, sizeof line, stdin) != NULL && strlen(line) == 65, "a line of 64 hex digits was expected");
  for (int i = 0; i < 32; i++) {
    int high = digit(line[2 * i]), low = digit(line[2 * i + 1]);
    must(high >= 0 && low >= 0, "not hex");
    out[i] = (byte)(high << 4 | low);
  }
}

static void serialize(const secp256k1_pubkey *key) {
  size_t length = sizeof sink;
  secp256k1_ec_pubkey_serialize(ctx, sink, &length, key, SECP256K1_EC_COMPRESSED);
}

/* What a signer has at hand before the request comes: parsed basepoints. The per-commitment point comes with it. */
struct keys {
  byte funding[32], htlc_base[32];
  secp256k1_pubkey revocation_base, delayed_base, their_htlc_base;
  byte per_commitment_point[33];
};

static void prepare(struct keys *keys, const byte tweak[32]) {
  byte secret[32];
  secp256k1_pubkey *bases[3] = {&keys->revocation_base, &keys->delayed_base, &keys->their_htlc_base};
  memcpy(secret, keys->funding, 32);
  for (int i = 0; i < 3; i++) {
    must(secp256k1_ec_seckey_tweak_add(ctx, secret, tweak), "tweak");
    must(secp256k1_ec_pubkey_create(ctx, bases[i], secret), "base");
  }
  must(secp256k1_ec_seckey_tweak_add(ctx, secret, tweak), "tweak");
  secp256k1_pubkey point;
  must(secp256k1_ec_pubkey_create(ctx, &point, secret), "point");
  serialize(&point);
  memcpy(keys->per_commitment_point, sink, 33);
}

static void derive(const struct keys *keys, const byte tweak[32], byte htlc_secret[32]) {
  secp256k1_pubkey point, left, right, sum, delayed, theirs, ours;
  must(secp256k1_ec_pubkey_parse(ctx, &point, keys->per_commitment_point, 33), "parse");
  left = keys->revocation_base;
  right = point;
  must(secp256k1_ec_pubkey_tweak_mul(ctx, &left, tweak), "multiply");
  must(secp256k1_ec_pubkey_tweak_mul(ctx, &right, tweak), "multiply");
  const secp256k1_pubkey *terms[2] = {&left, &right};
  must(secp256k1_ec_pubkey_combine(ctx, &sum, terms, 2), "combine");
  serialize(&sum);
  delayed = keys->delayed_base;
  must(secp256k1_ec_pubkey_tweak_add(ctx, &delayed, tweak), "tweak");
  serialize(&delayed);
  theirs = keys->their_htlc_base;
  must(secp256k1_ec_pubkey_tweak_add(ctx, &theirs, tweak), "tweak");
  serialize(&theirs);
  memcpy(htlc_secret, keys->htlc_base, 32);
  must(secp256k1_ec_seckey_tweak_add(ctx, htlc_secret, tweak), "tweak");
  must(secp256k1_ec_pubkey_create(ctx, &ours, htlc_secret), "create");
  serialize(&ours);
}

/* As Bitcoin Core: no extra entropy first, then a little-endian counter from 1, until r is below 2^255. */
static unsigned sign(const byte digest[32], const byte secret[32], int low_r, byte out[64]) {
  byte extra[32] = {0};
  for (unsigned tries = 1;; tries++) {
    secp256k1_ecdsa_signature signature;
    must(secp256k1_ecdsa_sign(ctx, &signature, digest, secret, secp256k1_nonce_function_rfc6979,
                              tries == 1 ? NULL : extra),
         "sign");
    secp256k1_ecdsa_signature_serialize_compact(ctx, out, &signature);
    if (!low_r || out[0] < 0x80) return tries;
    for (int i = 0; i < 4; i++) extra[i] = (byte)(tries >> (8 * i));
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  long htlcs = -1, rounds = -1, low_r = -1;
  int verifying = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--htlcs")) htlcs = strtol(argv[i + 1], NULL, 10);
    else if (!strcmp(argv[i], "--rounds")) rounds = strtol(argv[i + 1], NULL, 10);
    else if (!strcmp(argv[i], "--low-r")) low_r = strtol(argv[i + 1], NULL, 10);
    else if (!strcmp(argv[i], "--work")) verifying = !strcmp(argv[i + 1], "verify");
    else fail("unknown option");
  }
  must(htlcs >= 0 && htlcs <= 966 && rounds > 0 && rounds <= 1000000 && (low_r == 0 || low_r == 1),
       "usage: limit --htlcs N --rounds R --low-r 0|1 --work sign|verify");
  ctx = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
  size_t each = (size_t)htlcs + 1, lines = each + 1;
  byte mixed[64] = {0};
  byte(*given)[32] = malloc(lines * (size_t)rounds * 32);
  byte(*signatures)[64] = malloc(each * 64);
  double *times = malloc((size_t)rounds * sizeof *times);
  must(given != NULL && signatures != NULL && times != NULL, "out of memory");
  struct keys keys;
  read_line(keys.funding);
  read_line(keys.htlc_base);
  for (size_t i = 0; i < lines * (size_t)rounds; i++) read_line(given[i]);

  prepare(&keys, given[0]);
  unsigned long tried = 0;
  for (long round = 0; round < rounds; round++) {
    const byte *tweak = given[(size_t)round * lines];
    const byte(*digest)[32] = (const byte(*)[32])(given + (size_t)round * lines + 1);
    byte htlc_secret[32];
    double start = now();
    derive(&keys, tweak, htlc_secret);
    for (size_t i = 0; i < each; i++)
      tried += sign(digest[i], i == 0 ? keys.funding : htlc_secret, (int)low_r, signatures[i]);
    times[round] = now() - start;
    for (size_t i = 0; i < each; i++)
      for (int j = 0; j < 64; j++) mixed[j] ^= signatures[i][j];
    if (!verifying) continue;
    secp256k1_pubkey funding_key, htlc_key;
    must(secp256k1_ec_pubkey_create(ctx, &funding_key, keys.funding), "create");
    must(secp256k1_ec_pubkey_create(ctx, &htlc_key, htlc_secret), "create");
    start = now();
    derive(&keys, tweak, htlc_secret);
    for (size_t i = 0; i < each; i++) {
      secp256k1_ecdsa_signature parsed;
      must(secp256k1_ecdsa_signature_parse_compact(ctx, &parsed, signatures[i]), "parse");
      must(secp256k1_ecdsa_verify(ctx, &parsed, digest[i], i == 0 ? &funding_key : &htlc_key), "verify");
    }
    times[round] = now() - start;
  }
  qsort(times, (size_t)rounds, sizeof *times, ascending);
  printf("p50=%.2f p10=%.2f tried=%lu xor=", times[rounds / 2], times[rounds / 10], tried);
  for (int j = 0; j < 64; j++) printf("%02x", mixed[j]);
  printf("\n");
  free(times);
  free(signatures);
  free(given);
  secp256k1_context_destroy(ctx);
  return 0;
}
