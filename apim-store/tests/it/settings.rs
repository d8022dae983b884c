//! What portals ask before anything else.

use serde_json::json;

use crate::place::Place;

#[tokio::test]
async fn a_developer_learns_how_things_are() {
    let place = Place::each_seeded().await.remove(0);
    let portal = place.devportal();
    let settings = portal.get("/settings").await.is(200).json();
    assert_eq!(settings["applicationSharingEnabled"], false);
    assert!(settings["grantTypes"].as_array().unwrap().contains(&json!("client_credentials")));
    let managers = portal.get("/key-managers").await.is(200).json();
    assert_eq!(managers["list"][0]["name"], "Resident Key Manager");
    assert_eq!(portal.get("/settings/application-attributes").await.is(200).json()["count"], 0);
    let anybody = portal.by("");
    assert_eq!(anybody.get("/api-categories").await.is(200).json(), json!({ "count": 0, "list": [] }));
    assert_eq!(anybody.get("/tenants").await.is(200).json()["list"][0]["domain"], "carbon.super");
    anybody.get("/settings").await.refused(401, 900902);
}

#[tokio::test]
async fn an_administrator_learns_how_things_are() {
    let place = Place::each_seeded().await.remove(0);
    let admin = place.admin();
    let environments = admin.get("/environments").await.is(200).json();
    assert_eq!(environments["list"][0]["name"], "Default");
    assert_eq!(environments["list"][0]["isReadOnly"], true);
    let managers = admin.get("/key-managers").await.is(200).json();
    let id = managers["list"][0]["id"].as_str().unwrap().replace(' ', "%20");
    admin.get(&format!("/key-managers/{id}")).await.is(200);
    admin.get("/key-managers/other").await.refused(404, 900401);
    let scopes = admin.get("/system-scopes").await.is(200).json();
    let subscribe =
        scopes["list"].as_array().unwrap().iter().find(|it| it["name"] == "apim:subscribe").unwrap();
    assert!(subscribe["roles"].as_array().unwrap().contains(&json!("Internal/subscriber")));
    admin.get("/system-scopes/apim:subscribe?username=dev").await.is(200);
    admin.get("/system-scopes/apim:admin?username=dev").await.refused(404, 900401);
    admin.get("/system-scopes/apim:nothing").await.refused(404, 900401);
    assert_eq!(admin.get("/system-scopes/role-aliases").await.is(200).json()["count"], 0);
    let tenant = admin.get("/tenant-info/dev@carbon.super").await.is(200).json();
    assert_eq!(tenant, json!({ "username": "dev", "tenantDomain": "carbon.super", "tenantId": -1234 }));
    admin.get("/tenant-info/nobody").await.refused(404, 900401);
    admin.get("/settings").await.is(200);
    admin.post("/environments", json!({})).await.refused(501, 501);
}
