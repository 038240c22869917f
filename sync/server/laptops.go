package server

import (
	"context"
	"slices"
	"sync"

	"example.com/punchlist/sync/op"
	"example.com/punchlist/sync/wire"
)

// laptops knows devices by the names that their people gave them. A name never
// changes, so it is looked up once.
type laptops struct {
	mu    sync.Mutex
	names map[string]string // by device id; guarded by mu
}

// anotherLaptop is a device that has no name, or one under an identity that its
// queue was given later.
const anotherLaptop = "another laptop"

// laptop names a device of which somebody hears who is its user too: to him the
// user's name alone would say that it was he himself. To others it is "".
func (s *Server) laptop(ctx context.Context, by Author, user, device string) string {
	if user != by.User || device == "" || slices.Contains(by.devices(), device) {
		return ""
	}
	name, known := s.laptops.name(device)
	if !known {
		all, err := s.store.Devices(ctx) // outside the lock: whoever asks for a known one does not wait
		if err != nil {                  // the name is an ornament: the answer goes without it
			s.log.Warn("read the devices' names", "err", err)
			return anotherLaptop
		}
		name = s.laptops.learn(device, all)
	}
	if name == "" {
		return anotherLaptop
	}
	return name
}

func (l *laptops) name(device string) (name string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name, known = l.names[device]
	return name, known
}

// learn keeps the names of all devices, and tells that of the one asked for.
func (l *laptops) learn(device string, all []Device) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.names == nil {
		l.names = map[string]string{}
	}
	if _, known := l.names[device]; !known {
		l.names[device] = "" // also where it is none of them: asked once
	}
	for _, d := range all {
		l.names[d.ID] = op.Clean(d.Name, false)
	}
	return l.names[device]
}

// nameLaptops names the asker's other devices in conflicts with them.
func (s *Server) nameLaptops(ctx context.Context, by Author, list []wire.Conflict) {
	for i, c := range list {
		list[i].DeviceName = s.laptop(ctx, by, c.Who, c.Device)
	}
}
