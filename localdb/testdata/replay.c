/* Replays the statements of recorded actions on a database, as fast as C can: the
   reference for what an action costs in the program. It prints what each action
   took, in nanoseconds, from the FIRST on.

   usage: replay DATABASE SCRIPT FIRST COUNT

   The script holds "Q length\n" and a statement for each distinct one, then for
   each action "A n\n" and n times "S index args\n", each argument on a line:
   "i 12", "r 1.5", "n", or "t length\n" and the bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "sqlite3-binding.h"

static void die(const char *what, sqlite3 *db) {
	fprintf(stderr, "%s: %s\n", what, db ? sqlite3_errmsg(db) : "");
	exit(1);
}

static char *read_bytes(FILE *f, long n) {
	char *s = malloc(n + 1);
	if (fread(s, 1, n, f) != (size_t)n) die("script ends early", 0);
	s[n] = 0;
	fgetc(f);
	return s;
}

struct arg { char kind; long long i; double r; char *t; long n; };
struct call { int q, n; struct arg *args; };
struct action { int n; struct call *calls; };

static int by_size(const void *a, const void *b) {
	long long x = *(const long long *)a, y = *(const long long *)b;
	return x < y ? -1 : x > y;
}

static void step_all(sqlite3_stmt *s, sqlite3 *db) {
	int rc, i;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW)
		for (i = 0; i < sqlite3_column_count(s); i++) (void)sqlite3_column_text(s, i);
	if (rc != SQLITE_DONE) die(sqlite3_sql(s), db);
	sqlite3_reset(s);
}

int main(int argc, char **argv) {
	sqlite3 *db;
	sqlite3_stmt *stmts[1000] = {0}, *begin, *commit;
	char *queries[1000];
	struct action *actions = malloc(100000 * sizeof *actions);
	long long *took = malloc(100000 * sizeof *took);
	int nq = 0, na = 0, first = atoi(argv[3]), count = atoi(argv[4]), i, j, k;
	FILE *f = fopen(argv[2], "rb");
	char c;
	long n;
	if (argc != 5 || !f) die("usage: replay DATABASE SCRIPT FIRST COUNT", 0);
	if (sqlite3_open(argv[1], &db)) die("open", db);
	if (sqlite3_exec(db, "PRAGMA foreign_keys=on; PRAGMA synchronous=FULL; PRAGMA journal_mode", 0, 0, 0)) die("pragma", db);
	while (fscanf(f, "%c %ld", &c, &n) == 2) {
		fgetc(f);
		if (c == 'Q') {
			queries[nq++] = read_bytes(f, n);
			continue;
		}
		actions[na].n = n;
		actions[na].calls = malloc(n * sizeof(struct call));
		for (i = 0; i < actions[na].n; i++) {
			struct call *a = &actions[na].calls[i];
			if (fscanf(f, " S %d %d", &a->q, &a->n) != 2) die("script", 0);
			a->args = malloc((a->n + 1) * sizeof(struct arg));
			for (j = 0; j < a->n; j++) {
				struct arg *x = &a->args[j];
				if (fscanf(f, " %c", &x->kind) != 1) die("script", 0);
				if (x->kind == 'i' && fscanf(f, " %lld", &x->i) != 1) die("script", 0);
				if (x->kind == 'r' && fscanf(f, " %lf", &x->r) != 1) die("script", 0);
				if (x->kind == 't') {
					if (fscanf(f, " %ld", &x->n) != 1) die("script", 0);
					fgetc(f);
					x->t = read_bytes(f, x->n);
				}
			}
		}
		fscanf(f, " ");
		na++;
	}
	sqlite3_prepare_v3(db, "BEGIN IMMEDIATE", -1, SQLITE_PREPARE_PERSISTENT, &begin, 0);
	sqlite3_prepare_v3(db, "COMMIT", -1, SQLITE_PREPARE_PERSISTENT, &commit, 0);
	for (i = 0; i < na && i < first + count; i++) {
		struct timespec t0, t1;
		clock_gettime(CLOCK_MONOTONIC, &t0);
		step_all(begin, db);
		for (j = 0; j < actions[i].n; j++) {
			struct call *a = &actions[i].calls[j];
			sqlite3_stmt *s = stmts[a->q];
			if (!s) { /* once, as the program does */
				if (sqlite3_prepare_v3(db, queries[a->q], -1, SQLITE_PREPARE_PERSISTENT, &stmts[a->q], 0)) die(queries[a->q], db);
				s = stmts[a->q];
			}
			for (k = 0; k < a->n; k++) {
				struct arg *x = &a->args[k];
				switch (x->kind) {
				case 'i': sqlite3_bind_int64(s, k + 1, x->i); break;
				case 'r': sqlite3_bind_double(s, k + 1, x->r); break;
				case 't': sqlite3_bind_text(s, k + 1, x->t, x->n, SQLITE_STATIC); break;
				default: sqlite3_bind_null(s, k + 1);
				}
			}
			step_all(s, db);
		}
		step_all(commit, db);
		clock_gettime(CLOCK_MONOTONIC, &t1);
		took[i] = (t1.tv_sec - t0.tv_sec) * 1000000000LL + t1.tv_nsec - t0.tv_nsec;
	}
	for (i = first; i < na && i < first + count; i++) printf("%lld\n", took[i]);
	return 0;
}
