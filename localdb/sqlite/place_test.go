package sqlite_test

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/punchlist/localdb/sqlite"
)

// TestI43AnUnsafePlaceIsRefused: as ssh refuses a key that others may read.
func TestI43AnUnsafePlaceIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, path string) error
		want  string
		cure  string
	}{
		"F74 others may read it":  {func(_ *testing.T, p string) error { return os.Chmod(p, 0o640) }, "may be used by others (mode 0640)", "chmod 600 "},
		"others may read its log": {func(_ *testing.T, p string) error { return os.WriteFile(p+"-wal", nil, 0o600) }, "", ""},
		"others may write its log": {func(_ *testing.T, p string) error {
			return errors.Join(os.WriteFile(p+"-wal", nil, 0o600), os.Chmod(p+"-wal", 0o666))
		}, "may be used by others (mode 0666)", "chmod 600 "},
		"its memory is a link": {func(_ *testing.T, p string) error { return os.Symlink("/etc/passwd", p+"-shm") }, "is a symbolic link", "name the file itself"},
		"it is a link": {func(_ *testing.T, p string) error {
			return errors.Join(os.Rename(p, p+".real"), os.Symlink(p+".real", p))
		}, "is a symbolic link", ".real"},
		"a link to nothing":           {func(_ *testing.T, p string) error { return errors.Join(os.Remove(p), os.Symlink(p+".real", p)) }, "is a symbolic link", "name the file"},
		"everybody may write in it":   {func(_ *testing.T, p string) error { return os.Chmod(filepath.Dir(p), 0o777) }, "lets others write into it (mode 0777)", "chmod go-w "},
		"a sticky folder is like tmp": {func(_ *testing.T, p string) error { return os.Chmod(filepath.Dir(p), 0o777|os.ModeSticky) }, "", ""},
		"F74 somebody else's": {func(t *testing.T, p string) error {
			if os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			return os.Chown(p, 65534, -1)
		}, "belongs to another account (65534", "chown"},
		"somebody else's folder": {func(t *testing.T, p string) error {
			if os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			return os.Chown(filepath.Dir(p), 65534, -1)
		}, "belongs to another account (65534", "--db"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "home", "x.db")
			open(t, path, options(v1)).Close()
			if err := tc.spoil(t, path); err != nil {
				t.Fatal(err)
			}
			db, err := sqlite.Open(t.Context(), path, options(v1))
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				db.Close()
				return
			}
			var place *sqlite.PlaceError
			if !errors.Is(err, sqlite.ErrUnsafe) || !errors.As(err, &place) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(place.Hint(), tc.cure) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// TestI10F66NetworkFileSystems are refused, to look at too, and nothing is made there.
func TestI10F66NetworkFileSystems(t *testing.T) {
	for kind, refused := range map[string]bool{"nfs": true, "smb2": true, "cifs": true, "9p": true, "fuse.sshfs": true, "": false, "fuse.gocryptfs": false} {
		path := filepath.Join(t.TempDir(), "new", "x.db")
		o := options(v1)
		o.Filesystem = func(string) string { return kind }
		db, err := sqlite.Open(t.Context(), path, o)
		if !refused {
			if err != nil {
				t.Errorf("%q: %v", kind, err)
				continue
			}
			db.Close()
			continue
		}
		if _, lost := os.Stat(filepath.Dir(path)); !errors.Is(err, sqlite.ErrNetwork) || !strings.Contains(err.Error(), "("+kind+")") || lost == nil {
			t.Errorf("%q: %v; made something: %v", kind, err, lost == nil)
		}
	}
	if got := sqlite.Filesystem(t.TempDir()); strings.HasPrefix(got, "nfs") {
		t.Skip("the tests themselves run on ", got)
	}
}

func TestMountOfAFolder(t *testing.T) {
	const list = `22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
40 22 0:39 / /home/ann/my\040work rw - fuse.sshfs ann@office:/ rw
41 22 0:40 / /home/ann/vault rw - fuse.gocryptfs /home/ann/.vault rw
nonsense
`
	for dir, want := range map[string]string{"/home/ann": "ext4", "/home/ann/my work": "fuse.sshfs", "/home/ann/my work/a/b": "fuse.sshfs", "/home/ann/my workshop": "ext4", "/home/ann/vault": "fuse.gocryptfs"} {
		if got := sqlite.MountOf(bufio.NewScanner(strings.NewReader(list)), dir); got != want {
			t.Errorf("%s lies on %q, want %q", dir, got, want)
		}
	}
}
