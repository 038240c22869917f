package cmd_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestF59ServersDiskIsFull: nothing is acknowledged that is not kept, laptops are
// told when to come again and keep their work, the office is told why, and with
// space again all goes on without a restart.
func TestF59ServersDiskIsFull(t *testing.T) {
	w := newWorld(t)
	dir := w.disk("server", "24m")
	db, hog := filepath.Join(dir, "server.db"), filepath.Join(dir, "hog")
	office := func(args ...string) string { return w.run("punchlistd", append([]string{"--db", db}, args...)...) }
	office("user", "add", "ann", "--crew", "north", "--role", "technician")
	w.serveOn(db)
	var invite struct{ Invite string }
	w.decode(office("invite", "ann", "--url", "http://"+w.address, "--json"), &invite)
	w.laptop("ann", "enroll", invite.Invite)
	w.laptop("ann", "add", "before")
	w.laptop("ann", "sync")

	w.fill(hog)
	const made = 150 // more than there is room for inside the server's files
	csv := "title,description\n" + strings.Repeat("Check the pump,"+strings.Repeat("x", 12000)+"\n", made)
	w.laptop("ann", "import", w.file("jobs.csv", csv))
	w.refused(1, []string{"disk is full"}, "punchlist", "--db", "ann.db", "sync")
	if waits := w.pending("ann"); waits == 0 {
		t.Fatal("a full disk took everything")
	}
	answer, err := http.Get("http://" + w.address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var problem struct{ Code, Error string }
	if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil || answer.StatusCode != http.StatusServiceUnavailable ||
		answer.Header.Get("Retry-After") == "" || !strings.Contains(problem.Error, "disk is full") {
		t.Errorf("readyz says %s, %+v, %v", answer.Status, problem, err)
	}
	if said := office("state"); !strings.Contains(said, "disk is full") {
		t.Errorf("state says:\n%s", said)
	}

	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	w.laptop("ann", "sync")
	if waits := w.pending("ann"); waits != 0 {
		t.Errorf("%d changes wait although there is space", waits)
	}
	if said := office("state"); strings.Contains(said, "disk is full") {
		t.Errorf("state says:\n%s", said)
	}
	var tasks []struct{ Title string }
	w.decode(office("task", "list", "--crew", "north", "--json"), &tasks)
	if len(tasks) != made+1 {
		t.Errorf("the server holds %d tasks, %d were made", len(tasks), made+1)
	}
	if out := w.laptop("ann", "verify"); strings.Contains(out, "differ") {
		t.Errorf("laptop and server differ:\n%s", out)
	}
}
