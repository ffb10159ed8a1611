// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random programs for a target, kept and changed further when they reach code that
 * none before did (KCOV, of a kernel built with configs/kcov.config), or have a call
 * end as it never did. Whatever the kernel complains of ends the run, with the
 * program that was running.
 *
 *	-t SECONDS	how long (default 60)
 *	-s SEED		the same choices as a run that printed it; how far they
 *			lead to the same depends on how threads run
 *	-c FILE		programs to begin with
 *	-n TIMES	run each of these so often and make up none: a reproducer
 *	-o FILE		write the programs that are worth being kept to it
 *
 * A program in a file is a line per call, its name and up to eight numbers, and
 * ends with an empty line. Two calls are the engine's: "async N" has the next N % 4
 * run in a thread meanwhile, and "fail N" has the Nth allocation of the next one
 * fail. Prints TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <linux/kcov.h>

#include "fuzz.h"

#define OP_ASYNC	0xfe
#define OP_FAIL		0xff
#define MAX_CORPUS	1024
#define MAX_ERRNO	200
#define COVER_SIZE	(256 << 10)
#define SEEN_BITS	16
/* A program takes far less; what takes longer hangs */
#define HANG_MS		60000

struct call {
	uint8_t op;
	uint32_t arg[NR_ARGS];
};

struct prog {
	unsigned int nr;
	struct call call[MAX_CALLS];
};

/* Between the process that runs programs and the one that watches it */
static struct shared {
	struct prog now;
	volatile unsigned long beat;
} *shared;

static struct prog corpus[MAX_CORPUS];
static unsigned int nr_corpus, nr_read;
static uint64_t random_state;
static uint64_t *cover;
static int kcov_fd = -1, kmsg_fd = -1;
static unsigned char seen[1 << SEEN_BITS];
static unsigned long nr_pcs, nr_progs;
/* Per call and errno, how often; MAX_ERRNO - 1 for larger ones */
static unsigned long ended[256][MAX_ERRNO];

static unsigned long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static __attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("Bail out! ");
	vprintf(fmt, args);
	printf("\n");
	exit(1);
}

/* xorshift64*, the same everywhere */
static uint64_t rnd(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dULL;
}

static unsigned int pick(unsigned int nr)
{
	return (rnd() >> 32) % nr;
}

/*
 * Programs as text
 */

static const char *op_name(uint8_t op)
{
	if (op == OP_ASYNC)
		return "async";
	if (op == OP_FAIL)
		return "fail";
	return target.ops[op].name;
}

static int op_by_name(const char *name)
{
	unsigned int i;

	if (!strcmp(name, "async"))
		return OP_ASYNC;
	if (!strcmp(name, "fail"))
		return OP_FAIL;
	for (i = 0; i < target.nr_ops; i++)
		if (!strcmp(name, target.ops[i].name))
			return i;
	return -1;
}

static void print_prog(FILE *f, const char *prefix, const struct prog *prog)
{
	unsigned int i, j, last;

	for (i = 0; i < prog->nr; i++) {
		const struct call *call = &prog->call[i];

		for (last = NR_ARGS; last && !call->arg[last - 1]; last--)
			;
		fprintf(f, "%s%s", prefix, op_name(call->op));
		for (j = 0; j < last; j++)
			fprintf(f, " %#x", call->arg[j]);
		fprintf(f, "\n");
	}
	fprintf(f, "%s\n", prefix[0] ? prefix : "");
}

static void keep(const struct prog *prog)
{
	/* When it is full, what was made up goes first, not what was read */
	if (nr_corpus < MAX_CORPUS)
		corpus[nr_corpus++] = *prog;
	else if (nr_read < MAX_CORPUS)
		corpus[nr_read + pick(MAX_CORPUS - nr_read)] = *prog;
}

static void read_corpus(const char *path)
{
	struct prog prog = {};
	char line[256], *word, *save;
	FILE *f = fopen(path, "r");
	unsigned int nr = 0, i;
	int op;

	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		nr++;
		if (line[0] == '#')
			continue;
		word = strtok_r(line, " \t\n", &save);
		if (!word) {
			if (prog.nr)
				keep(&prog);
			prog.nr = 0;
			continue;
		}
		op = op_by_name(word);
		if (op < 0 || prog.nr == MAX_CALLS)
			die("%s:%u: %s", path, nr, op < 0 ? "no such call" : "too long");
		memset(&prog.call[prog.nr], 0, sizeof(prog.call[0]));
		prog.call[prog.nr].op = op;
		for (i = 0; i < NR_ARGS; i++) {
			word = strtok_r(NULL, " \t\n", &save);
			if (!word)
				break;
			prog.call[prog.nr].arg[i] = strtoul(word, NULL, 0);
		}
		prog.nr++;
	}
	if (prog.nr)
		keep(&prog);
	fclose(f);
	nr_read = nr_corpus;
}

/*
 * Programs made up
 */

static uint32_t any_value(void)
{
	static const uint32_t ends[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x1001, 0xffff, 0x10000,
		0x1fffff, 0x200000, 0x200001, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff,
	};

	return pick(2) ? ends[pick(ARRAY_LEN(ends))] : (uint32_t)rnd() >> pick(32);
}

static uint32_t any_length(void)
{
	static const uint32_t lengths[] = {
		0, 1, 3, 4, 7, 8, 12, 16, 24, 32, 40, 48, 300, 1000, 4095, 4096, 4097, 5000, 8192,
		0x1fffff, 0x200000, 0x200001, 0xffffffff,
	};

	return pick(4) ? lengths[pick(ARRAY_LEN(lengths))] : any_value();
}

static uint32_t any_arg(enum arg_kind kind)
{
	switch (kind) {
	case ARG_REF:
		return pick(12) ? pick(8) : 0xfe + pick(2) + (any_value() << 8);
	case ARG_SMALL:
		return pick(16) ? pick(16) : any_value();
	case ARG_ODD:
		return pick(12) ? 0 : any_value();
	case ARG_LEN:
		return any_length();
	case ARG_VALUE:
		return any_value();
	default:
		return 0;
	}
}

static void any_call(struct call *call)
{
	unsigned int sum = 0, at, i;

	memset(call, 0, sizeof(*call));
	if (!pick(24)) {
		call->op = pick(2) ? OP_ASYNC : OP_FAIL;
		call->arg[0] = 1 + pick(call->op == OP_ASYNC ? 3 : 12);
		return;
	}
	for (i = 0; i < target.nr_ops; i++)
		sum += target.ops[i].weight;
	at = pick(sum);
	for (i = 0; at >= target.ops[i].weight; i++)
		at -= target.ops[i].weight;
	call->op = i;
	for (i = 0; i < NR_ARGS; i++)
		call->arg[i] = any_arg(target.ops[call->op].kind[i]);
}

static void insert_call(struct prog *prog)
{
	unsigned int at = pick(prog->nr + 1);

	if (prog->nr == MAX_CALLS)
		return;
	memmove(&prog->call[at + 1], &prog->call[at], (prog->nr - at) * sizeof(prog->call[0]));
	any_call(&prog->call[at]);
	prog->nr++;
}

static void remove_call(struct prog *prog)
{
	unsigned int at;

	if (prog->nr < 2)
		return;
	at = pick(prog->nr);
	prog->nr--;
	memmove(&prog->call[at], &prog->call[at + 1], (prog->nr - at) * sizeof(prog->call[0]));
}

static void change_arg(struct prog *prog)
{
	struct call *call = &prog->call[pick(prog->nr)];
	unsigned int i = pick(NR_ARGS);

	if (call->op >= OP_ASYNC)
		call->arg[0] = 1 + pick(16);
	else if (!pick(4))
		call->arg[i] ^= 1u << pick(32);
	else
		call->arg[i] = any_arg(target.ops[call->op].kind[i]);
}

/* The end of another one in the place of one's own */
static void join_other(struct prog *prog)
{
	const struct prog *other = &corpus[pick(nr_corpus)];
	unsigned int at = pick(prog->nr + 1), from = pick(other->nr), n = other->nr - from;

	if (n > MAX_CALLS - at)
		n = MAX_CALLS - at;
	memcpy(&prog->call[at], &other->call[from], n * sizeof(prog->call[0]));
	prog->nr = at + n;
}

static void make_up(struct prog *prog)
{
	unsigned int n;

	if (!nr_corpus || !pick(10)) {
		prog->nr = 0;
		for (n = 1 + pick(MAX_CALLS); n; n--)
			insert_call(prog);
		return;
	}
	*prog = corpus[pick(nr_corpus)];
	for (n = 1 + pick(4); n; n--) {
		switch (pick(8)) {
		case 0:
			remove_call(prog);
			break;
		case 1:
			join_other(prog);
			break;
		case 2: case 3: case 4:
			insert_call(prog);
			break;
		default:
			change_arg(prog);
			break;
		}
		if (!prog->nr)
			insert_call(prog);
	}
}

/*
 * Running them
 */

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	close(fd);
}

/* Of this thread; 0 ends it, which may itself be the one that fails */
static void fail_nth(unsigned int n)
{
	char text[16];
	int fd = open("/proc/thread-self/fail-nth", O_WRONLY), tries = 3;

	if (fd < 0)
		return;
	snprintf(text, sizeof(text), "%u", n);
	while (write(fd, text, strlen(text)) < 0 && tries--)
		;
	close(fd);
}

static bool note(uint8_t op, int rc)
{
	unsigned int error = rc < 0 ? -rc : 0;

	if (rc == OP_NOTHING)
		return false;
	if (error >= MAX_ERRNO)
		error = MAX_ERRNO - 1;
	return !__atomic_fetch_add(&ended[op][error], 1, __ATOMIC_RELAXED);
}

struct span {
	const struct prog *prog;
	unsigned int from, to;
	bool main, new;
	pthread_t thread;
};

static void run_call(struct span *span, const struct call *call, unsigned int fail)
{
	const struct op *op = &target.ops[call->op];
	int rc;

	if (op->main_only && !span->main)
		return;
	if (fail)
		fail_nth(fail);
	rc = op->run(call->arg);
	if (fail)
		fail_nth(0);
	if (note(call->op, rc))
		span->new = true;
}

static void *run_span(void *data)
{
	struct span *span = data, other[MAX_CALLS];
	unsigned int i, n, nr_other = 0, fail = 0;
	sigset_t all;

	if (!span->main) {
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, NULL);
	}
	for (i = span->from; i < span->to; i++) {
		const struct call *call = &span->prog->call[i];

		if (call->op == OP_FAIL) {
			fail = call->arg[0] % 64;
			continue;
		}
		if (call->op != OP_ASYNC) {
			run_call(span, call, fail);
			fail = 0;
			continue;
		}
		n = call->arg[0] % 4;
		if (n > span->to - i - 1)
			n = span->to - i - 1;
		other[nr_other] = (struct span){ .prog = span->prog, .from = i + 1, .to = i + 1 + n };
		if (!pthread_create(&other[nr_other].thread, NULL, run_span, &other[nr_other]))
			nr_other++;
		i += n;
	}
	for (i = 0; i < nr_other; i++) {
		pthread_join(other[i].thread, NULL);
		span->new |= other[i].new;
	}
	return NULL;
}

static void kcov_open(void)
{
	kcov_fd = open("/sys/kernel/debug/kcov", O_RDWR);
	if (kcov_fd < 0)
		return;
	if (ioctl(kcov_fd, KCOV_INIT_TRACE, COVER_SIZE))
		die("KCOV_INIT_TRACE: %s", strerror(errno));
	cover = mmap(NULL, COVER_SIZE * sizeof(*cover), PROT_READ | PROT_WRITE, MAP_SHARED,
		     kcov_fd, 0);
	if (cover == MAP_FAILED)
		die("mmap of KCOV: %s", strerror(errno));
	if (ioctl(kcov_fd, KCOV_ENABLE, KCOV_TRACE_PC))
		die("KCOV_ENABLE: %s", strerror(errno));
}

static bool new_pcs(void)
{
	uint64_t i, n;
	bool new = false;

	if (!cover)
		return false;
	n = __atomic_load_n(&cover[0], __ATOMIC_RELAXED);
	for (i = 0; i < n && i + 1 < COVER_SIZE; i++) {
		unsigned int at = (cover[i + 1] * 0x9e3779b97f4a7c15ULL) >> (64 - SEEN_BITS);

		if (!seen[at]) {
			seen[at] = 1;
			nr_pcs++;
			new = true;
		}
	}
	return new;
}

/* What rig/splat.deny has, in short; rig/vm looks again, and closer */
static bool complaint(char *line)
{
	static const char *const words[] = {
		"BUG", "WARNING: ", "KASAN: ", "UBSAN: ", "ODEBUG: ", "Oops", "refcount_t: ",
		"general protection fault", "blocked for more than", "_stall", "corruption",
		"out waiting for iommufd object",
	};
	char *text = strchr(line, ';');
	unsigned int i;

	for (i = 0; text && i < ARRAY_LEN(words); i++)
		if (strstr(text, words[i]))
			return true;
	return false;
}

static void check_kernel(void)
{
	char line[1024];
	ssize_t n;

	while ((n = read(kmsg_fd, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		line[n] = 0;
		if (!complaint(line))
			continue;
		printf("# the kernel says: %s# of this program, number %lu:\n", strchr(line, ';') + 1,
		       nr_progs);
		print_prog(stdout, "#   ", &shared->now);
		printf("not ok 1 %s\n", target.name);
		exit(1);
	}
}

static bool run_prog(const struct prog *prog)
{
	struct span all = { .prog = prog, .to = prog->nr, .main = true };
	int rc;

	shared->now = *prog;
	shared->beat++;
	nr_progs++;
	rc = target.begin();
	if (rc)
		die("%s cannot be set up: %s", target.name, strerror(-rc));
	if (cover)
		__atomic_store_n(&cover[0], 0, __ATOMIC_RELAXED);
	run_span(&all);
	if (new_pcs())
		all.new = true;
	target.end();
	check_kernel();
	return all.new;
}

static void replay(unsigned int times)
{
	struct prog prog;
	unsigned int i, n;

	for (i = 0; i < nr_read; i++) {
		prog = corpus[i];
		for (n = 0; n < times; n++)
			run_prog(&prog);
	}
}

static void write_corpus(const char *path)
{
	FILE *f = fopen(path, "w");
	unsigned int i;

	if (!f)
		die("%s: %s", path, strerror(errno));
	for (i = 0; i < nr_corpus; i++)
		print_prog(f, "", &corpus[i]);
	fclose(f);
}

/* A call that never worked says that something is wrong with the fuzzer */
static bool report(void)
{
	unsigned long ok, refused, never = 0;
	unsigned int i, j, kinds;

	for (i = 0; i < target.nr_ops; i++) {
		ok = ended[i][0];
		for (j = 1, refused = 0, kinds = 0; j < MAX_ERRNO; j++) {
			refused += ended[i][j];
			kinds += !!ended[i][j];
		}
		printf("# %-16s %7lu worked, %7lu refused with %2u errnos\n", target.ops[i].name, ok,
		       refused, kinds);
		never += !ok;
	}
	return !never;
}

static int child(unsigned int seconds, unsigned int times, const char *out)
{
	unsigned long end, next = 0;
	struct prog prog;
	bool all;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	kcov_open();
	printf("# %s, %u programs to begin with, %s\n", target.name, nr_read,
	       cover ? "KCOV" : "no KCOV");
	end = now_ms() + seconds * 1000ul;
	replay(times ?: 1);
	printf("# those reach %lu places\n", nr_pcs);
	while (!times && now_ms() < end) {
		make_up(&prog);
		if (run_prog(&prog))
			keep(&prog);
		if (now_ms() >= next) {
			printf("# %lu programs, %lu places, %u kept\n", nr_progs, nr_pcs,
			       nr_corpus - nr_read);
			fflush(stdout);
			next = now_ms() + 30000;
		}
	}
	all = times || report();
	if (out)
		write_corpus(out);
	printf("# %lu programs, %lu places, %u of them new\n", nr_progs, nr_pcs, nr_corpus - nr_read);
	printf("1..2\nok 1 %s\n", target.name);
	printf("%s 2 every call worked now and then\n", all ? "ok" : "not ok");
	return !all;
}

/* Its pid's end, or a program that does not end */
static int watch(pid_t pid)
{
	unsigned long beat = 0, since = now_ms();
	int status;

	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		if (shared->beat != beat) {
			beat = shared->beat;
			since = now_ms();
		} else if (now_ms() - since > HANG_MS) {
			put_file("/proc/sys/kernel/sysrq", "1");
			put_file("/proc/sysrq-trigger", "w");
			printf("# after %d s not at its end:\n", HANG_MS / 1000);
			print_prog(stdout, "#   ", &shared->now);
			printf("not ok 1 %s\n", target.name);
			kill(pid, SIGKILL);
			return 1;
		}
		usleep(100000);
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("# ended by signal %d:\n", WTERMSIG(status));
	print_prog(stdout, "#   ", &shared->now);
	printf("not ok 1 %s\n", target.name);
	return 1;
}

int main(int argc, char **argv)
{
	unsigned int seconds = 60, times = 0;
	const char *out = NULL, *why;
	uint64_t seed = 0;
	pid_t pid;
	int opt, rc;

	while ((opt = getopt(argc, argv, "t:s:c:n:o:")) != -1) {
		switch (opt) {
		case 't':
			seconds = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			read_corpus(optarg);
			break;
		case 'n':
			times = strtoul(optarg, NULL, 0);
			break;
		case 'o':
			out = optarg;
			break;
		default:
			fprintf(stderr, "usage: %s [-t SECONDS] [-s SEED] [-c FILE] [-n TIMES] [-o FILE]\n",
				argv[0]);
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	random_state = seed ?: (now_ms() ^ (uint64_t)time(NULL) << 20 ^ getpid()) | 1;
	printf("TAP version 13\n# seed %#llx\n", (unsigned long long)random_state);

	argv[optind - 1] = argv[0];
	why = target.start(argc - optind + 1, argv + optind - 1);
	if (why) {
		printf("1..0 # SKIP %s\n", why);
		return 4;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (shared == MAP_FAILED || kmsg_fd < 0)
		die("%s", strerror(errno));
	lseek(kmsg_fd, 0, SEEK_END);
	/* Let an allocation of any kind fail, and without a word each time */
	put_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	put_file("/sys/kernel/debug/failslab/verbose", "0");

	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid)
		exit(child(seconds, times, out));
	rc = watch(pid);
	target.stop();
	return rc;
}
