package main

import (
	"context"
)

func (a *app) screen(ctx context.Context) error { return nil }

func (a *app) demoScreen(ctx context.Context, reset bool) error { return nil }
