// Package storetest is the contract that a store of the sync server must pass.
//
// [Run] checks the store by itself (one transaction is all or nothing, versions
// are given in the order of commits, an invite is redeemed once) and then the
// protocol's rules on top of it, over real HTTP: once-only ops, groups, moves
// between crews, cursors under concurrent writers. A store of another database
// passes the very same. [Rig] is a server and its devices for other tests.
package storetest

import (
	"testing"

	"example.com/punchlist/sync/server"
)

// Run runs the whole suite. Open makes a fresh, empty store that lives as long
// as the test it is given.
func Run(t *testing.T, open func(testing.TB) server.Store) {
	for name, test := range map[string]func(*testing.T, server.Store){
		"Settings":       testSettings,
		"Users":          testUsers,
		"RedeemOnce":     testRedeemOnce,
		"CloseInvites":   testCloseInvites,
		"Devices":        testDevices,
		"Tokens":         testTokens,
		"Renewal":        testRenewal,
		"Reuse":          testReuse,
		"Unused":         testUnused,
		"WriteAllOrNone": testWriteAllOrNone,
		"WriteAsksAgain": testWriteAsksAgain,
		"WriteSteps":     testWriteSteps,
		"WriteReadsBack": testWriteReadsBack,
		"Changes":        testChanges,
		"Chain":          testChain,
		"Tasks":          testTasks,
		"News":           testNews,
		"Leaves":         testLeaves,
		"Leaf":           testLeaf,
		"Recount":        testRecount,
		"Forget":         testForget,
		"Log":            testLog,
		"LogTogether":    testLogTogether,
		"Entries":        testEntries,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	for name, test := range map[string]func(*testing.T, *Rig){
		"Insert":             testInsert,
		"AuditOfOps":         testAuditOfOps,
		"AuditOfOffice":      testAuditOfOffice,
		"AuditOfMoves":       testAuditOfMoves,
		"OnceOnly":           testOnceOnly,
		"OnceOnlyTogether":   testOnceOnlyTogether,
		"ConflictToldToBoth": testConflictToldToBoth,
		"MergedFields":       testMergedFields,
		"Refusals":           testRefusals,
		"ExternalRef":        testExternalRef,
		"Group":              testGroup, "Dependents": testDependents,
		"Forked":            testForked,
		"CrewsAreApart":     testCrewsAreApart,
		"Move":              testMove,
		"MoveBackAndForth":  testMoveBackAndForth,
		"PushedBeforeHeard": testPushedBeforeHeard,
		"MoveRefused":       testMoveRefused,
		"DeleteAgainstEdit": testDeleteAgainstEdit,
		"Paging":            testPaging, "Advance": testAdvance, "OtherLaptop": testOtherLaptop,
		"CursorConcurrentWriters": testCursorConcurrentWriters,
		"OnceOnlyAcrossServers":   testOnceOnlyAcrossServers,
		"NewCrewFromTheStart":     testNewCrewFromTheStart,
		"Seen":                    testSeen,
		"SeenOfOtherCrews":        testSeenOfOtherCrews,
		"History":                 testHistory,
		"ChainLinks":              testChainLinks,
		"Queues":                  testQueues,
		"DigestOfOps":             testDigestOfOps,
		"Forgotten":               testForgotten,
		"DigestTold":              testDigestTold,
		"DigestApart":             testDigestApart,
		"Horizon":                 testHorizon,
		"HorizonPages":            testHorizonPages,
		"ForgetMoved":             testForgetMoved,
		"RulesTogether":           testRulesTogether,
	} {
		t.Run("Rules"+name, func(t *testing.T) { test(t, NewRig(t, open(t))) })
	}
	t.Run("RulesChainCoversAll", func(t *testing.T) { testChainCoversAll(t, open) })
}
