package v1alpha1

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// TestReference keeps docs/reference/mesh-file.md equal to the types.
func TestReference(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "mesh.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "# The mesh file\n\nMade from the code: `go test ./api/v1alpha1 -update`. `samples/mesh.yaml` shows it whole.\n\n")
	fmt.Fprintf(&page, "`apiVersion: %s`, `kind: %s`. Unknown fields are rejected.\n", APIVersion, KindMesh)
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.TYPE {
			continue
		}
		spec := general.Specs[0].(*ast.TypeSpec)
		fields, ok := spec.Type.(*ast.StructType)
		if !ok {
			continue
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", spec.Name.Name, oneLine(general.Doc))
		for _, field := range fields.Fields.List {
			if name := jsonName(field); name != "" {
				fmt.Fprintf(&page, "| `%s` | %s | %s |\n", name, typeName(field.Type), oneLine(field.Doc))
			}
		}
	}
	golden.Check(t, "../../docs/reference/mesh-file.md", []byte(page.String()))
}

func jsonName(field *ast.Field) string {
	if field.Tag == nil {
		return ""
	}
	tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
	name, _, _ := strings.Cut(tag, ",")
	return name
}

func typeName(expression ast.Expr) string {
	switch typed := expression.(type) {
	case *ast.Ident:
		return typed.Name
	case *ast.StarExpr:
		return typeName(typed.X)
	case *ast.ArrayType:
		return "list of " + typeName(typed.Elt)
	case *ast.MapType:
		return "map"
	case *ast.SelectorExpr:
		return strings.ToLower(typed.Sel.Name)
	}
	return ""
}

func oneLine(comment *ast.CommentGroup) string {
	if comment == nil {
		return ""
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(comment.Text()), " "), "|", `\|`)
}
