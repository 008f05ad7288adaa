// Package pblitetest holds the pushes that benchmarks decode, so that each measures the same bytes.
package pblitetest

import (
	"fmt"
	"strings"
)

// Push is the payload of a client batch update, with its tag.
type Push struct {
	Name string
	Text []byte
}

const chat = `[[1,null,"-6693150411225374571",null,%[1]d],null,[[["UgyFacts4AaABAQ%[2]d"],["100000000000000001002","100000000000000001002"],` +
	`%[1]d,[["100000000000000001001","100000000000000001001"],null,30],null,0,[null,[],[[[0,"Shall we meet at the caf\u00e9 at seven? "],` +
	`[2,"https://example.com/map?x=%[2]d",[0,0,0,0],["https://example.com/map?x=%[2]d"]],[1,"\n"],[0,"See you \ud83d\ude00",[1,0,0,0]]],[]]],` +
	`null,null,null,null,"8xEvt1-_abcdefgh%06[2]d",null,null,1,2,1,null,null,[1],null,null,1,%[1]d]],null,null,null,null,null,null,null,null,null,` +
	`[["UgyFacts4AaABAQ%[2]d"],2,"Team",[null,"123456789",null,null,null,null,[["100000000000000001001","100000000000000001001"],%[1]d],2,30,[1],` +
	`["100000000000000001002","100000000000000001002"],1430641100747000,%[1]d,%[1]d,null,null,[[[1],1]]],null,null,null,` +
	`[[["100000000000000001001","100000000000000001001"],%[1]d],[["100000000000000001002","100000000000000001002"],%[1]d]],0,2,1,1,` +
	`[["100000000000000001001","100000000000000001001"],["100000000000000001002","100000000000000001002"]],` +
	`[[["100000000000000001001","100000000000000001001"],"Ada Lovelace",2,null,2,2],[["100000000000000001002","100000000000000001002"],"Bob",2,null,2,2]],` +
	`null,null,null,[1],0,null,null,1]]`

const photo = `[[1,null,"-42",null,%[1]d],null,[[["UgyFacts4AaABAQ"],["1002","1002"],%[1]d,[["1001","1001"]],null,0,` +
	`[null,[],[[],[[[[249,0],null,{"27639957":[["https://p/x",null,null,"https://lh3.example/x.png",null,null,null,null,null,640,480],"1001","611","612"]}]]]]],null,null,null,null,"photo%[2]d"]]]`

// Pushes are a typical one (a chat message with its conversation), a large one (300 updates), and a
// hostile one: wrong types, deep nesting, long escapes, unknown fields, trailing objects.
func Pushes() []Push {
	const us = 1577836805123456
	typical := `["cbu",[` + fmt.Sprintf(chat, us, 1) + `]]`
	var many []string
	for i := range 300 {
		form := chat
		if i%10 == 9 {
			form = photo
		}
		many = append(many, fmt.Sprintf(form, us+i, i))
	}
	large := `["cbu",[` + strings.Join(many, ",") + `]]`
	deep := strings.Repeat("[", 80) + strings.Repeat("]", 80)
	odd := `[["x",{"1":true},-1],null,[[["` + strings.Repeat(`\u00e9\ud83d\ude00\ud800`, 200) + `"],"nobody",1e400,[7],"x",-1,[null,` + deep +
		`,[[["zero",5],[0,["not text"]],` + strings.Repeat(`[0,"a\"\\\n"],`, 200) + `null],{"9999":[]}]]]],null,{"77":` + deep + `,"3":[[null,[1]]],"99":1}]`
	hostile := `["cbu",[` + strings.Repeat(odd+",", 20) + `null,7,` + fmt.Sprintf(chat, us, 1) + `]]`
	return []Push{{"typical", []byte(typical)}, {"large", []byte(large)}, {"hostile", []byte(hostile)}}
}
