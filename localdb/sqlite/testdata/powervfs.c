/*
 * powervfs is a SQLite VFS for tests, as a loadable extension. It becomes the
 * default one, passes everything on to the system's, and meanwhile
 *
 *   - writes down what a disk hears of the files of one folder, in order: each
 *     write with its bytes, truncation, sync, creation and removal;
 *   - makes the n-th operation of a kind fail, once or from then on.
 *
 * It is told what to do by SQL functions of any connection that loaded it:
 *
 *   power_begin(folder, log)      record what happens in folder into the file log
 *   power_end()                   stop recording
 *   power_mark(n)                 note that n happened now
 *   power_dirsync()               note that somebody else synced the folder
 *   power_fault(kind, nth, sticky) make an operation fail; kind 0: none
 *   power_count(kind)             operations of a kind since power_fault
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1

/* The events of the log; power_test.go reads them. */
enum { EV_CREATE = 1, EV_WRITE, EV_TRUNCATE, EV_SYNC, EV_DIRSYNC, EV_UNLINK, EV_MARK, EV_SYNC_FAILED };

/* The kinds of faults. */
enum { FAIL_NONE, FAIL_WRITE, FAIL_FULL, FAIL_SYNC, FAIL_READ, FAIL_TRUNCATE, FAIL_OPEN, FAIL_KINDS };

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char folder[1024];
static int fault_kind, fault_nth, fault_sticky, counts[FAIL_KINDS];

typedef struct File {
	sqlite3_file base;
	char name[256];  /* within the folder; "": not watched */
	int sync_folder; /* a new journal: its first sync syncs the folder too */
	sqlite3_file *real;
} File;

static sqlite3_vfs *real_vfs;

#define REAL(f) (((File *)(f))->real)

static void put(const void *data, size_t n) {
	const char *p = data;
	while (n > 0) {
		ssize_t w = write(log_fd, p, n);
		if (w <= 0) abort(); /* a log with a hole would prove anything */
		p += w, n -= w;
	}
}

/* event is kind, length of the name, length of the data, offset, name, data. */
static void event(uint32_t kind, const char *name, sqlite3_int64 off, const void *data, uint32_t len) {
	pthread_mutex_lock(&mu);
	if (log_fd >= 0) {
		uint32_t head[3] = {kind, (uint32_t)strlen(name), len};
		int64_t at = off;
		put(head, sizeof head);
		put(&at, sizeof at);
		put(name, head[1]);
		put(data, len);
	}
	pthread_mutex_unlock(&mu);
}

/* inside gives the name of a path within the watched folder, else "". */
static const char *inside(const char *path) {
	size_t n = strlen(folder);
	if (!path || n == 0 || strncmp(path, folder, n) || path[n] != '/' || strchr(path + n + 1, '/')) return "";
	return path + n + 1;
}

/* fails counts an operation and tells whether it is to fail. */
static int fails(const char *name, int kind) {
	int out = 0;
	if (!*name) return 0;
	pthread_mutex_lock(&mu);
	counts[kind]++;
	if (kind == fault_kind) out = fault_sticky ? counts[kind] >= fault_nth : counts[kind] == fault_nth;
	pthread_mutex_unlock(&mu);
	return out;
}

static int f_close(sqlite3_file *f) {
	int rc = REAL(f)->pMethods ? REAL(f)->pMethods->xClose(REAL(f)) : SQLITE_OK;
	sqlite3_free(REAL(f));
	return rc;
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off) {
	if (fails(((File *)f)->name, FAIL_READ)) return SQLITE_IOERR_READ;
	return REAL(f)->pMethods->xRead(REAL(f), p, n, off);
}

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off) {
	File *me = (File *)f;
	int full = fails(me->name, FAIL_FULL), broken = fails(me->name, FAIL_WRITE);
	int len = full || broken ? n / 2 : n; /* half of it still reached the file */
	int rc = len ? REAL(f)->pMethods->xWrite(REAL(f), p, len, off) : SQLITE_OK;
	if (rc == SQLITE_OK && *me->name && len) event(EV_WRITE, me->name, off, p, len);
	return full ? SQLITE_FULL : broken ? SQLITE_IOERR_WRITE : rc;
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size) {
	File *me = (File *)f;
	if (fails(me->name, FAIL_TRUNCATE)) return SQLITE_IOERR_TRUNCATE;
	int rc = REAL(f)->pMethods->xTruncate(REAL(f), size);
	if (rc == SQLITE_OK && *me->name) event(EV_TRUNCATE, me->name, size, "", 0);
	return rc;
}

static int f_sync(sqlite3_file *f, int flags) {
	File *me = (File *)f;
	if (fails(me->name, FAIL_SYNC)) {
		/* As the kernel does it: what was to be written is forgotten, and the
		 * next sync of the same file will say that all is well. */
		event(EV_SYNC_FAILED, me->name, 0, "", 0);
		return SQLITE_IOERR_FSYNC;
	}
	int rc = REAL(f)->pMethods->xSync(REAL(f), flags);
	if (rc == SQLITE_OK && *me->name) {
		event(EV_SYNC, me->name, 0, "", 0);
		if (me->sync_folder) event(EV_DIRSYNC, "", 0, "", 0);
		me->sync_folder = 0;
	}
	return rc;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *n) { return REAL(f)->pMethods->xFileSize(REAL(f), n); }
static int f_lock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xLock(REAL(f), l); }
static int f_unlock(sqlite3_file *f, int l) { return REAL(f)->pMethods->xUnlock(REAL(f), l); }
static int f_reserved(sqlite3_file *f, int *out) { return REAL(f)->pMethods->xCheckReservedLock(REAL(f), out); }
static int f_control(sqlite3_file *f, int op, void *arg) { return REAL(f)->pMethods->xFileControl(REAL(f), op, arg); }
static int f_sector(sqlite3_file *f) { return REAL(f)->pMethods->xSectorSize(REAL(f)); }
static int f_device(sqlite3_file *f) { return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f)); }
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out) {
	return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, out);
}
static int f_shm_lock(sqlite3_file *f, int off, int n, int flags) { return REAL(f)->pMethods->xShmLock(REAL(f), off, n, flags); }
static void f_shm_barrier(sqlite3_file *f) { REAL(f)->pMethods->xShmBarrier(REAL(f)); }
static int f_shm_unmap(sqlite3_file *f, int del) { return REAL(f)->pMethods->xShmUnmap(REAL(f), del); }

static const sqlite3_io_methods methods = {
	2, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock, f_unlock, f_reserved, f_control,
	f_sector, f_device, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap, 0, 0,
};

static int v_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *out) {
	File *me = (File *)f;
	int exists = 1, rc;
	(void)vfs;
	memset(me, 0, sizeof *me);
	strncpy(me->name, inside(path), sizeof me->name - 1);
	if (fails(me->name, FAIL_OPEN)) return SQLITE_CANTOPEN;
	me->real = sqlite3_malloc(real_vfs->szOsFile);
	if (!me->real) return SQLITE_NOMEM;
	memset(me->real, 0, real_vfs->szOsFile);
	if (*me->name) real_vfs->xAccess(real_vfs, path, SQLITE_ACCESS_EXISTS, &exists);
	rc = real_vfs->xOpen(real_vfs, path, me->real, flags, out);
	if (rc != SQLITE_OK) {
		if (me->real->pMethods) me->real->pMethods->xClose(me->real);
		sqlite3_free(me->real);
		return rc;
	}
	me->base.pMethods = &methods;
	if (*me->name) event(EV_CREATE, me->name, 0, "", 0); /* or opened: somebody else may have made it */
	if (!exists) {
		me->sync_folder = (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL)) != 0;
	}
	return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
	const char *name = inside(path);
	int rc = real_vfs->xDelete(real_vfs, path, sync_folder);
	(void)vfs;
	if (rc == SQLITE_OK && *name) {
		event(EV_UNLINK, name, 0, "", 0);
		if (sync_folder) event(EV_DIRSYNC, "", 0, "", 0);
	}
	return rc;
}

static void power_begin(sqlite3_context *c, int n, sqlite3_value **v) {
	(void)n;
	pthread_mutex_lock(&mu);
	if (log_fd >= 0) close(log_fd);
	strncpy(folder, (const char *)sqlite3_value_text(v[0]), sizeof folder - 1);
	log_fd = open((const char *)sqlite3_value_text(v[1]), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	pthread_mutex_unlock(&mu);
	if (log_fd < 0) sqlite3_result_error(c, "the log cannot be opened", -1);
}

static void power_end(sqlite3_context *c, int n, sqlite3_value **v) {
	(void)c, (void)n, (void)v;
	pthread_mutex_lock(&mu);
	if (log_fd >= 0) close(log_fd);
	log_fd = -1, folder[0] = 0, fault_kind = FAIL_NONE;
	pthread_mutex_unlock(&mu);
}

static void power_mark(sqlite3_context *c, int n, sqlite3_value **v) {
	(void)c, (void)n;
	event(EV_MARK, "", sqlite3_value_int64(v[0]), "", 0);
}

static void power_dirsync(sqlite3_context *c, int n, sqlite3_value **v) {
	(void)c, (void)n, (void)v;
	event(EV_DIRSYNC, "us", 0, "", 0);
}

static void power_fault(sqlite3_context *c, int n, sqlite3_value **v) {
	(void)c, (void)n;
	pthread_mutex_lock(&mu);
	fault_kind = sqlite3_value_int(v[0]), fault_nth = sqlite3_value_int(v[1]), fault_sticky = sqlite3_value_int(v[2]);
	memset(counts, 0, sizeof counts);
	pthread_mutex_unlock(&mu);
}

static void power_count(sqlite3_context *c, int n, sqlite3_value **v) {
	(void)n;
	pthread_mutex_lock(&mu);
	int kind = sqlite3_value_int(v[0]);
	sqlite3_result_int(c, kind > 0 && kind < FAIL_KINDS ? counts[kind] : 0);
	pthread_mutex_unlock(&mu);
}

int sqlite3_powervfs_init(sqlite3 *db, char **err, const sqlite3_api_routines *api) {
	static const struct {
		const char *name;
		int args;
		void (*f)(sqlite3_context *, int, sqlite3_value **);
	} functions[] = {
		{"power_begin", 2, power_begin}, {"power_end", 0, power_end}, {"power_mark", 1, power_mark},
		{"power_dirsync", 0, power_dirsync}, {"power_fault", 3, power_fault}, {"power_count", 1, power_count},
	};
	static sqlite3_vfs vfs;
	SQLITE_EXTENSION_INIT2(api);
	(void)err;
	for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++)
		sqlite3_create_function(db, functions[i].name, functions[i].args, SQLITE_UTF8, 0, functions[i].f, 0, 0);
	if (!real_vfs) {
		real_vfs = sqlite3_vfs_find(0);
		vfs = *real_vfs;
		vfs.szOsFile = sizeof(File);
		vfs.pNext = 0;
		vfs.zName = "power";
		vfs.xOpen = v_open;
		vfs.xDelete = v_delete;
		if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK) return SQLITE_ERROR;
	}
	return SQLITE_OK_LOAD_PERMANENTLY;
}
