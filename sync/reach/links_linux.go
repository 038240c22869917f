package reach

import (
	"errors"
	"fmt"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// rtnetlink listens to the kernel's own news of links, addresses and routes.
type rtnetlink struct{ conn *netlink.Conn }

// systemSource is nil where the kernel lets nobody listen (some sandboxes).
func systemSource() Source {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: unix.RTMGRP_LINK |
		unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE})
	if err != nil {
		return nil
	}
	return &rtnetlink{conn}
}

// Next does not look into the messages: each of these groups is a reason to probe.
func (r *rtnetlink) Next() error {
	_, err := r.conn.Receive()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EBADF):
		return ErrClosed
	}
	return fmt.Errorf("listen for link changes: %w", err)
}

func (r *rtnetlink) Close() error { return r.conn.Close() }
