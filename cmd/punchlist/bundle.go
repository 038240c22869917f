package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/localdb"
)

func (a *app) bundleCmd() *cobra.Command {
	var out string
	cmd := &cobra.Command{Use: "support-bundle", Short: "Write one file that tells support what is wrong, without anything secret",
		Long: `Write one file (.tar.gz) that tells support what is wrong: what doctor finds, counts,
what waits and why, versions, the last of the log. It holds no token, no invite and
no text of a task, note or person: kinds and ids only. Look into it before you send it.`,
		Example: "  punchlist support-bundle\n  punchlist support-bundle -o bundle.tar.gz", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				out = "punchlist-support-" + time.Now().Format("20060102-150405") + ".tar.gz"
			}
			return a.bundle(cmd.Context(), out)
		}}
	cmd.Flags().StringVarP(&out, "output", "o", "", "the file to write (default punchlist-support-TIME.tar.gz here)")
	return cmd
}

func (a *app) bundle(ctx context.Context, out string) error {
	parts, err := a.bundleParts(ctx)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &localdb.Error{Message: fmt.Sprintf("there is a file %q already", out), Hint: "name a new one with -o"}
	}
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	if err := errors.Join(writeBundle(f, parts), f.Close()); err != nil {
		return fmt.Errorf("write the bundle: %w", errors.Join(err, os.Remove(out)))
	}
	a.Note("Wrote %s. It holds nothing secret; look into it with: tar -xzOf %s | less", out, out)
	return nil
}

// part is one file of a bundle.
type part struct {
	name string
	text []byte
}

func writeBundle(w io.Writer, parts []part) error {
	zip := gzip.NewWriter(w)
	out := tar.NewWriter(zip)
	for _, p := range parts {
		if err := out.WriteHeader(&tar.Header{Name: "punchlist-support/" + p.name, Mode: 0o600, Size: int64(len(p.text)), ModTime: time.Now()}); err != nil {
			return err
		}
		if _, err := out.Write(p.text); err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), zip.Close())
}

func (a *app) bundleParts(ctx context.Context) ([]part, error) {
	found, err := a.examine(ctx)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i].Message, found[i].Cure = redact(found[i].Message), redact(found[i].Cure)
	}
	system := map[string]any{"version": a.Version, "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH, "term": a.getenv("TERM"), "ssh": a.getenv("SSH_CONNECTION") != "",
		"lang": a.getenv("LANG"), "made": time.Now().UnixMilli()}
	parts := []part{asJSON("doctor.json", found), asJSON("system.json", system)}
	if path, err := a.path(); err == nil {
		if db, err := localdb.Open(ctx, path, localdb.Options{ReadOnly: true}); err == nil {
			parts = append(parts, stateParts(ctx, db)...)
			_ = db.Close()
		}
	}
	if log, err := a.logFile(); err == nil {
		for _, name := range []string{log, log + ".1"} {
			if text, err := tail(name, maxBundledLog); err == nil {
				parts = append(parts, part{strings.TrimPrefix(name[strings.LastIndexByte(name, '/'):], "/"), []byte(redact(string(text)))})
			}
		}
	}
	return parts, nil
}

// stateParts are counts, and what waits by kind and id: never what it says.
func stateParts(ctx context.Context, db *localdb.DB) []part {
	var out []part
	if s, err := db.Summary(ctx); err == nil {
		out = append(out, asJSON("state.json", map[string]any{"pending": s.Pending, "parked": s.Parked, "conflicts": s.Conflicts, "tasks": s.Tasks, "last_sync": s.LastSync,
			"clock_offset_ms": s.Device.ClockOffset, "enrolled": s.Device.ID != "", "device_id": s.Device.ID, "server_id": s.Device.ServerID, "role": s.Device.Role, "crews": len(s.Device.Crews)}))
	}
	rows, err := db.Queue(ctx, 0, maxBundledOps)
	if err != nil {
		return out
	}
	list := []map[string]any{}
	for _, r := range rows {
		var fields []string
		for name := range r.Op.Fields {
			fields = append(fields, name)
		}
		list = append(list, map[string]any{"op_id": r.Op.ID, "seq": r.Op.Seq, "entity_type": r.Op.Kind, "entity_id": r.Op.Entity, "action": r.Op.Action, "fields": fields,
			"state": r.State, "attempts": r.Attempts, "code": r.Code, "field": r.Field, "created_at": r.Op.CreatedAt, "behind": r.Behind})
	}
	return append(out, asJSON("queue.json", list))
}

const (
	maxBundledLog = 512 << 10
	maxBundledOps = 1000
)

func asJSON(name string, v any) part {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return part{name, []byte(err.Error())}
	}
	return part{name, b.Bytes()}
}

// tail reads the end of a file, from the beginning of a line.
func tail(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() <= most {
		return io.ReadAll(f)
	}
	if _, err := f.Seek(-most, io.SeekEnd); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	_, text, _ = bytes.Cut(text, []byte("\n"))
	return text, err
}

// Secrets, and text that may be somebody's: what our errors quote is what people
// or the server wrote.
var (
	secret = regexp.MustCompile(`plk1_[A-Za-z0-9]+|(?i:punchlist://)\S+|(?i:bearer)\s+\S+|\b[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}\b`)
	quoted = regexp.MustCompile(`\\"(?:[^"\\]|\\[^"])*\\"|“[^”]*”`)
	inText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

func redact(text string) string {
	text = secret.ReplaceAllString(text, "[secret]")
	text = quoted.ReplaceAllString(text, "[text]")
	if !strings.Contains(text, "level=") { // no line of the log, whose values stand in quotes
		text = inText.ReplaceAllString(text, "[text]")
	}
	return text
}
