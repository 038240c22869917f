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
	s.laptops.mu.Lock()
	defer s.laptops.mu.Unlock()
	name, known := s.laptops.names[device]
	if !known {
		all, err := s.store.Devices(ctx)
		if err != nil { // the name is an ornament: the answer goes without it
			s.log.Warn("read the devices' names", "err", err)
			return anotherLaptop
		}
		if s.laptops.names == nil {
			s.laptops.names = map[string]string{}
		}
		s.laptops.names[device] = "" // also where it is none of them: asked once
		for _, d := range all {
			s.laptops.names[d.ID] = op.Clean(d.Name, false)
		}
		name = s.laptops.names[device]
	}
	if name == "" {
		return anotherLaptop
	}
	return name
}

// nameLaptops names the asker's other devices in conflicts with them.
func (s *Server) nameLaptops(ctx context.Context, by Author, list []wire.Conflict) {
	for i, c := range list {
		list[i].DeviceName = s.laptop(ctx, by, c.Who, c.Device)
	}
}
