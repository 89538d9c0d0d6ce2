//! A program in its own world, and the cost of its invocations.

use serde_json::json;

use crate::Result;
use crate::front::{Front, Kept, Passed};
use crate::function::{Function, Invocation, Program};
use crate::group::Group;
use crate::report::{Figures, Row};
use crate::world::World;

pub struct Contestant {
    pub name: &'static str,
    pub is_the_function: bool,
    pub world: World,
    function: Function,
}

impl Contestant {
    pub async fn new(program: &Program, connections: usize) -> Result<Self> {
        let world = World::new(connections).await?;
        Ok(Self {
            name: program.name,
            is_the_function: program.is_the_function(),
            function: Function::start(program, &world).await?,
            world,
        })
    }

    /// Starts a program in a world of these proxies, and in a control group if given.
    pub async fn before(
        program: &Program,
        connections: usize,
        fronts: [Front; 2],
        group: Option<&Group>,
    ) -> Result<Self> {
        let world = World::of(connections, fronts);
        Ok(Self {
            name: program.name,
            is_the_function: program.is_the_function(),
            function: Function::start_in(group, program, &world).await?,
            world,
        })
    }

    /// Invokes the program once. Returns the invocation and its traffic.
    pub async fn invoke(&mut self) -> Result<(Invocation, Passed)> {
        self.world.next_round();
        self.world.passed();
        let invocation = self.function.invoke(&json!({})).await?;
        let answer = &invocation.answer;
        if let Some(seen) = answer["seen"]
            .as_u64()
            .or(answer["listings"][0]["connections"].as_u64())
        {
            assert_eq!(seen, self.world.connections() as u64, "{answer}");
        }
        Ok((invocation, self.world.passed()))
    }

    pub fn row(&self, what: &str, invocations: &[(Invocation, Passed)]) -> Result<Row> {
        let (_, passed) = invocations.last().ok_or("no invocation")?;
        let figures = |figure: fn(&Invocation) -> f64| {
            Figures::of(invocations.iter().map(|(invocation, _)| figure(invocation)))
        };
        Ok(Row {
            name: self.name,
            connections: self.world.connections(),
            what: what.to_owned(),
            seconds: figures(|invocation| invocation.seconds),
            processor: figures(|invocation| invocation.processor),
            peak_bytes: self.peak_bytes()?,
            passed: passed.clone(),
        })
    }

    /// Records the traffic of one more run.
    pub async fn keep(&mut self) -> Result<[Kept; 2]> {
        self.world.keep();
        self.invoke().await?;
        Ok(self.world.kept())
    }

    pub fn peak_bytes(&self) -> Result<u64> {
        self.function.peak_bytes()
    }
}
