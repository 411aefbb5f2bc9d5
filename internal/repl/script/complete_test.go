package script

import (
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	s := newSession(t)
	s.must(seed + "\nlet post = Post.first(); let own = {alpha: 1, beta: {gamma: 2}}; let some = Post.where({}); let many = [post]")
	for _, test := range []struct{ text, want string }{
		{"Po", "Post"},
		{`jobs("de`, "dead default"},
		{`jobs("nig`, "nightly_report"},
		{`reactions("`, "failed waiting behind ship"},
		{"con", "connections console"},
		{"pos", "post"},
		{"1 + Us", "User"},
		{"Post.cr", "create"},
		{"Post.", "create find first last all count where asc desc limit offset pluck update delete updateAll deleteAll map filter forEach reduce some every flatMap slice at indexOf join"},
		{"Post.where({a: 1}).d", "desc deleteAll"},
		{"Post.where({a: [1, (2)]}).desc(\"x\").fi", "first filter"},
		{"Post.first().ti", "title"},
		{"Post.first()?.up", "updatedAt update"},
		{"Post.where({})[0].re", "reload"},
		{"post.au", "authorId author"},
		{"post.author.na", "name"},
		{"Post.first().author.posts.fi", "first filter"},
		{"Post.first().author.posts.first().ti", "title"},
		{"post.title.toUpp", "toUpperCase"},
		{"some.len", "length"},
		{"many[0].ti", "title"},
		{"own.", "alpha beta"},
		{"own.beta.g", "gamma"},
		{"Post.create({ti", "title: "},
		{"Post.create({title: 'x', pub", "published: "},
		{"Post.create([{title: 'x'}, {bo", "body: "},
		{"Post.update(post.id, {li", "likes: "},
		{"post.update({li", "likes: "},
		{"some.where({tit", "title: "},
		{"Post.where({likes: {g", "gt:  gte: "},
		{"Post.where({likes: {gt: 1, l", "lt:  lte: "},
		{"Post.where({tags: {", "contains:  exists: "},
		{"Post.where({or: [{published: true}, {ti", "title: "},
		{"Post.where({not: {likes: {g", "gt:  gte: "},
		{"Post.where({title: 'x'}).updateAll({li", "likes: "},
		{"as(post).", "call cursor cursors routes user value posts"},
		{"as(post).posts.", "create all"},
		{"as(post).posts.create({", "title:  body: "},
		{"as(post).posts.all().whe", "where"},
		{"as(post).cursor('posts.", "posts.all"},
		{"as(post).cursor('posts.all').fi", "first filter"},
		{"as(post).call('PO", "POST /posts"},
		{"let ada = as(post); ada.po", ""},
		{"own.alpha; as(null).posts.cr", "create"},
		{"at(7).", "as why Post User"},
		{"at(7).Post.fin", "find"},
		{"at(7).as(post).posts.", "create all"},
		{"why(post, '", "posts.all"},
		{"help('wh", "where why"},
		{"Post.find('01JB", "01JBXYZ0000000000000000005 01JBXYZ0000000000000000004 01JBXYZ0000000000000000003"},
		{"Post.desc(\"cre", "createdAt"},
		{"Post.pluck('title', 'li", "likes"},
		{"User.where({na", "name: "},
		{"print(Post.fi", "find first filter"},
		{"'Po", ""},
		{"// Po", ""},
		{"`Po", ""},
		{"`${Po", "Post"},
		{"nothing.x", ""},
		{"(1).toF", ""},
		{"\"a\".toL", "toLocaleLowerCase toLocaleUpperCase toLowerCase toLocaleString"},
		{"po", "post"},
		{"POST", "Post post"},
	} {
		found := s.e.Complete(test.text)
		got := strings.Join(found.Items, " ")
		if test.text == "own." { // and the properties of every object
			got = strings.Join(found.Items[:2], " ")
		}
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
		for _, item := range found.Items {
			if typed := test.text[found.Start:]; !strings.EqualFold(item[:len(typed)], typed) {
				t.Errorf("%s: %s does not continue %s", test.text, item, typed)
			}
		}
	}
}

func TestCompleteSoonDoesNotBlock(t *testing.T) {
	s := newSession(t)
	s.must(`let o = {get slow() { while (true) {} }, get bad() { throw 1 }, fine: 1}; 0`)
	for text, want := range map[string]string{"o.slow.x": "", "o.bad.x": "", "o.fi": "fine"} {
		if got := strings.Join(s.e.CompleteSoon(t.Context(), text).Items, " "); got != want {
			t.Errorf("%s: got %s", text, got)
		}
	}
	if got := s.must(`o.fine`); got != "1" {
		t.Errorf("afterwards: %s", got)
	}
}
